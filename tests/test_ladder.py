"""The ladder of a new adapter: the claims cut down to the smallest, and what stops a climb."""

import pytest
from backproof import Head, cli, implementation
from backproof.plug.subject import subject_of
from backproof.properties.claims import Claims
from backproof.running.ladder import Ladder, rungs

SQUARED, CROSSED = Head("identity", "squared_error", "sum"), Head("softmax", "cross_entropy", "sum")


def names(claims):
    return [rung.name for rung in rungs(claims)]


def test_one_thing_more_a_rung():
    claims = Claims(hidden=("tanh", "relu"), heads=(SQUARED, CROSSED), bias="any")
    assert names(claims) == ["smallest", "bias", "units", "batch", "depth", "activation", "loss", "all"]
    first, second, *_, last = rungs(claims)
    assert (first.claims.depth, first.claims.batch, first.claims.max_parameters) == ((1, 1), (1, 1), 1)
    assert (first.claims.bias, second.claims.bias, second.claims.max_parameters) == ("never", "always", 2)
    assert last.claims == claims


@pytest.mark.parametrize(("claims", "wanted"), [
    (Claims(depth=(1, 1), batch=(1, 1), bias="never"), ["smallest", "units"]),
    (Claims(depth=(1, 1), heads=(CROSSED,)), ["smallest", "units", "batch"]),
    (Claims(hidden=("tanh",), heads=(SQUARED,), depth=(2, 2), bias="layer"), ["smallest", "units", "batch"]),
    (Claims(layers=("lstm",), hidden=("tanh",)), ["smallest", "units", "batch", "depth"]),
    (Claims(hidden=("tanh",), dtypes=("float64", "float32")), ["smallest", "units", "batch", "depth", "dtype", "all"]),
])
def test_no_rung_leaves_the_claims(claims, wanted):
    assert names(claims)[:len(wanted)] == wanted
    for rung in rungs(claims):
        assert claims.depth[0] <= rung.claims.depth[0]
        assert set(rung.claims.hidden) <= set(claims.hidden)
        assert rung.claims.bias == claims.bias or claims.bias == "any"


def subject(bias=lambda delta: delta.sum(axis=0), refuses=False):
    @implementation(heads=[SQUARED], depth=(1, 1))
    def backprop(network, parameters, inputs, targets):
        if refuses:
            raise NotImplementedError("not yet")
        (W,), (b,) = network.unpack(parameters)
        delta = 2 * (inputs @ W + b - targets)
        return (delta**2).sum() / 4, network.pack([inputs.T @ delta], [bias(delta)])
    return subject_of(backprop)


def test_a_right_adapter_climbs_to_the_top():
    ladder = Ladder(subject())
    lines = list(ladder)
    assert ladder.status == 0
    assert [line.split()[0] for line in lines] == ["passed"] * (len(ladder.rungs) + 1) + ["all"]


def test_the_first_rung_that_fails_ends_the_climb_with_its_finding_and_the_next():
    ladder = Ladder(subject(bias=lambda delta: delta.mean(axis=0)))
    text = "\n".join(ladder)
    assert ladder.status == 1
    assert [line.split()[1] for line in text.split("\n") if line[2:8] == "passed"] == ["hello", "smallest", "units"]
    assert "FAILED  batch       several examples" in text
    assert "consistent with bias-averaged-over-batch" in text


def test_an_adapter_that_answers_nothing_does_not_pass_and_the_next_rung_is_told():
    ladder = Ladder(subject(refuses=True))
    lines = list(ladder)
    assert "  FAILED  smallest    one layer, as small as can be" in lines
    assert lines[-1].split() == ["next", "units", "several", "inputs", "and", "outputs"]
    assert ladder.status == 2


FILE = '''
from backproof import Head, implementation

@implementation(heads=[Head("identity", "squared_error", "sum")], depth=(1, 1), bias="never", batch=(1, 1))
def backprop(network, parameters, inputs, targets):
    (W,), _ = network.unpack(parameters)
    error = inputs @ W - targets
    return (error**2).sum(), network.pack([inputs.T @ error], [None])
'''


def test_the_ladder_from_the_command_line(tmp_path, capsys):
    (tmp_path / "half.py").write_text(FILE)
    climb = ["verify", f"{tmp_path / 'half.py'}:backprop", "--in-process", "--ladder"]
    assert cli.main(climb) == 1
    out = capsys.readouterr().out
    assert out.startswith("  passed  hello ")
    assert "  FAILED  smallest " in out
    assert "gradient-half" in out
    assert cli.main([*climb, "--report", str(tmp_path / "out")]) == 2
    assert "--ladder keeps no record" in capsys.readouterr().err
