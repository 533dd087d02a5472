# A network in Tcl, to be verified by backproof. SPDX-License-Identifier: MIT-0
# A request is one line of JSON on stdin, a reply one on stdout; what you print goes to stderr.
rename puts reply
proc puts args {reply {*}[lmap word $args {expr {$word eq "stdout" ? "stderr" : $word}}]}
fconfigure stdout -buffering line -translation lf
set HELLO {"protocol": 1, "name": "my net in Tcl", "answers": "gradients", "claims":}
append HELLO { {"hidden": ["tanh", "relu", "sigmoid"], "bias": "any"}}
proc f {f x} {switch $f tanh {expr {tanh($x)}} relu {expr {max(0.0, $x)}} \
    sigmoid {expr {1 / (1 + exp(-$x))}} default {set x}}
proc slope {f y} {switch $f tanh {expr {1 - $y * $y}} relu {expr {$y > 0}} \
    sigmoid {expr {$y * (1 - $y)}} default {expr 1}} ;# f'(x) from y = f(x)
# Layer i is i.weight, a row for each input, and i.bias in given, or a function; x, t: example rows
proc backprop {names given scale x t} {
    set a [list $x]; set i -1 ;# what goes into each layer, and its index
    foreach f $names {lappend a [lmap h [lindex $a [incr i]] {forward $given $i $f $h}]}
    # --- your own lines: from the outputs back to the gradients ---------------------------------
    set loss 0.0
    set delta [lmap p [lindex $a end] u $t {lmap y $p v $u {
        set loss [expr {$loss + $scale * ($y - $v)**2}]
        expr {$scale * 2 * ($y - $v)}
    }}]
    for {} {$i >= 0} {incr i -1} {
        set f [lindex $names $i]
        set y [lindex $a $i+1]
        if {$f ne ""} {
            set delta [lmap d $delta r $y {lmap e $d v $r {expr {$e * [slope $f $v]}}}]; continue
        }
        set W [dict get $given $i.weight]
        set dW [lmap row $W {lmap w $row {expr 0.0}}]
        set db [lindex $dW 0]; set dx {}
        foreach h [lindex $a $i] d $delta {
            set db [lmap sum $db e $d {expr {$sum + $e}}]
            set dW [lmap row $dW v $h {lmap sum $row e $d {expr {$sum + $v * $e}}}]
            lappend dx [lmap row $W {tcl::mathop::+ {*}[lmap w $row e $d {expr {$w * $e}}]}]
        }
        set delta $dx
        dict set found $i.weight $dW; dict set found $i.bias $db
    }
    # --------------------------------------------------------------------------------------------
    return [list $loss $found]
}
proc forward {given i f h} { # one example through one layer
    if {$f ne ""} {return [lmap x $h {f $f $x}]}
    set y [lmap w [lindex [dict get $given $i.weight] 0] {expr 0.0}]
    if {[dict exists $given $i.bias]} {set y [dict get $given $i.bias]}
    foreach x $h row [dict get $given $i.weight] {set y [lmap z $y w $row {expr {$z + $x * $w}}]}
    return $y
}
proc rows {array} { # {dtype float64 shape {2 3} data {...}} as rows, or as one row
    lassign [dict get $array shape] n columns
    if {$columns eq ""} {return [dict get $array data]}
    for {set k 0} {$k < $n * $columns} {set k [expr {$last + 1}]} {
        lappend rows [lrange [dict get $array data] $k [set last [expr {$k + $columns - 1}]]]
    }
    return $rows
}
proc answer {request} {
    if {[dict get $request ask] eq "hello"} {return $::HELLO}
    if {[dict get $request ask] ne "gradients"} {return {"unsupported": "gradients only"}}
    set layers [dict get $request network layers]
    set names [lmap layer $layers {dict get [dict merge {function ""} $layer] function}]
    set given [dict map {name array} [dict get $request parameters] {rows $array}]
    set x [rows [dict get $request inputs]]
    dict with request network loss {} ;# sets reduction and scale
    if {$reduction ne "sum"} {set scale [expr {$scale / [llength $x]}]}
    lassign [backprop $names $given $scale $x [rows [dict get $request targets]]] loss found
    dict for {name array} [dict get $request parameters] {
        set shape [join [dict get $array shape] ", "]
        set data [join [concat {*}[dict get $found $name]] ", "]
        lappend all "\"$name\": {\"shape\": \[$shape\], \"data\": \[$data\]}"
    }
    return "\"loss\": $loss, \"gradients\": {[join $all {, }]}"
}
while {[gets stdin line] >= 0} { # JSON without escapes is a list of Tcl with other brackets
    set request [lindex [string map {\[ \{ \] \} : " " , " "} $line] 0]
    if {[catch {answer $request} reply]} {
        set reply "\"error\": \"[string map {\" ' \n " "} $reply]\""
    }
    reply "{\"id\": [dict get $request id], $reply}"
}
