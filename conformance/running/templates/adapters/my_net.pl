# A network in Perl, to be verified by backproof. SPDX-License-Identifier: MIT-0
# A request is one line of JSON on stdin, a reply one on stdout; what you print goes to stderr.
use strict;
use warnings;
use JSON::PP;
use List::Util qw(sum0 max);
use POSIX qw(tanh);

open my $out, '>&', \*STDOUT or die $!;
open STDOUT, '>&', \*STDERR or die $!;
$out->autoflush(1);

my $HELLO = '"protocol": 1, "name": "my net in Perl", "answers": "gradients", "claims": '
    . '{"hidden": ["tanh", "relu", "sigmoid"], "bias": "any"}';
my %F = (identity => sub { $_[0] }, tanh => sub { tanh($_[0]) }, relu => sub { max(0, $_[0]) },
    sigmoid => sub { 1 / (1 + exp(-$_[0])) });
my %SLOPE = (identity => sub { 1 }, tanh => sub { 1 - $_[0]**2 }, # f'(x) from y = f(x)
    relu => sub { $_[0] > 0 ? 1 : 0 }, sigmoid => sub { $_[0] * (1 - $_[0]) });

# Layers: { weight, bias }, W[k][j] from input k to unit j, or { f }; x and t: one example a row.
sub backprop {
    my ($layers, $loss, $x, $t) = @_;
    my ($value, @dW, @db, @delta, @a) = (0);
    push @a, $x; # $a[$i]: what goes into layer i
    for my $layer (@$layers) {
        my ($W, $b, $f) = @$layer{qw(weight bias f)};
        push @a, [map { my $h = $_; $f ? [map { $F{$f}->($_) } @$h] : [map { my $j = $_;
            ($b ? $b->[$j] : 0) + sum0(map { $h->[$_] * $W->[$_][$j] } 0 .. $#$W)
        } 0 .. $#{ $W->[0] }] } @{ $a[-1] }];
    }
    # --- your own lines: from the outputs $a[-1] back to dW and db ------------------------------
    my $scale = $loss->{scale} / ($loss->{reduction} eq 'sum' ? 1 : @$x);
    for my $n (0 .. $#$x) {
        my @error = map { $a[-1][$n][$_] - $t->[$n][$_] } 0 .. $#{ $t->[$n] };
        $value += $scale * $_**2 for @error;
        $delta[$n] = [map { $scale * 2 * $_ } @error];
    }
    for my $i (reverse 0 .. $#$layers) {
        my ($W, $f, @dx) = @{ $layers->[$i] }{qw(weight f)};
        for my $n (0 .. $#$x) { for my $j (0 .. $#{ $delta[$n] }) {
            my $d = $delta[$n][$j];
            $dx[$n][$j] = $d * $SLOPE{$f}->($a[$i + 1][$n][$j]) if $f;
            $db[$i][$j] += $d;
            for my $k ($f ? () : 0 .. $#$W) {
                $dW[$i][$k][$j] += $a[$i][$n][$k] * $d;
                $dx[$n][$k] += $W->[$k][$j] * $d;
            }
        } }
        @delta = @dx;
    }
    # --------------------------------------------------------------------------------------------
    return ($value, { weight => \@dW, bias => \@db });
}

sub nested { # an array of the request: rows, or one row
    my ($given) = @_;
    my ($rows, $columns, @data) = (@{ $given->{shape} }[0, 1], map { $_ + 0 } @{ $given->{data} });
    return defined $columns ? [map { [splice @data, 0, $columns] } 1 .. $rows] : \@data;
}
sub written { # JSON, to the last digit; null for what is not finite
    my ($v) = @_;
    return '[' . join(', ', map { written($_) } @$v) . ']' if ref $v;
    return $v - $v == 0 ? sprintf '%.17g', $v : 'null';
}
sub answer {
    my ($ask, $network, $given, $x, $t) = @{ $_[0] }{qw(ask network parameters inputs targets)};
    return $HELLO if $ask eq 'hello';
    return '"unsupported": "gradients only"' if $ask ne 'gradients';
    my @layers = map { { f => $_->{function} } } @{ $network->{layers} };
    my %place = map { $_ => [split /[.]/] } sort keys %$given; # "0.weight": [0, "weight"]
    $layers[$place{$_}[0]]{ $place{$_}[1] } = nested($given->{$_}) for keys %place;
    my ($loss, $found) = backprop(\@layers, $network->{loss}, nested($x), nested($t));
    my @all = map { qq("$_": ) . written($found->{ $place{$_}[1] }[$place{$_}[0]]) } keys %place;
    return sprintf '"loss": %s, "gradients": {%s}', written($loss), join ', ', @all;
}
while (my $line = <STDIN>) {
    my $request = decode_json($line);
    my $reply = eval { answer($request) } // '"error": ' . JSON::PP->new->allow_nonref->encode($@);
    print {$out} qq({"id": $request->{id}, $reply}\n);
}
