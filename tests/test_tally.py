"""Two halves of a run make the whole, wherever it is cut."""

from functools import reduce
from itertools import islice

import numpy as np
import pytest
from backproof.faults import FAULTS
from backproof.faults.behaviour import asked
from backproof.judging.judge import Judge
from backproof.judging.plan import drawn
from backproof.judging.tally import KEPT, Failure, Tally
from backproof.judging.verdict import resolution
from backproof.plug.subject import Subject
from backproof.properties.claims import EVERYTHING
from backproof.properties.strategies import cases

NAMES = ("reference", "contract", "own_loss", "repeated_question", "batch_additivity")
KINDS = ("bias", "weight", "loss", "shape")
OUTCOMES = ("passed", "failed", "inconclusive")
NETWORKS = 60


def history(seed, failing=0.5):
    """What a run sees of one network after another: a list of things to do to its tally."""
    rng = np.random.default_rng(seed)

    def network(number):
        yield from (counted(str(rng.choice(NAMES)), str(rng.choice(OUTCOMES))) for _ in range(9))
        yield measured(str(rng.choice(KINDS)), (float(number), float(rng.random())))
        yield noted(f"note {rng.integers(6)}")
        yield narrowed({0.0, 0.5, 1.0} if rng.random() < 0.5 else {0.5, 1.0})
        for _ in range(4 if rng.random() < failing else 0):
            kind, name = str(rng.choice(KINDS)), str(rng.choice(NAMES))
            yield remembered(Failure(name, kind, None, f"{number}"))

    return [list(network(number)) for number in range(NETWORKS)]


def counted(name, outcome):
    return lambda tally: tally.counts[name].update([outcome])


def measured(kind, pair):
    return lambda tally: tally.sharpness["float64", kind].append(pair)


def noted(note):
    return lambda tally: tally.notes.setdefault(note)


def narrowed(slopes):
    return lambda tally: tally.slopes.update(relu=tally.slopes.get("relu", slopes) & slopes)


def remembered(failure):
    return lambda tally: tally.remember(failure)


def seen(networks):
    """The tally of a run that sees these networks."""
    tally = Tally()
    for network in networks:
        tally.networks += 1
        for happens in network:
            happens(tally)
    return tally


@pytest.mark.parametrize("failing", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_two_halves_of_a_run_make_the_whole(seed, failing):
    run = history(seed, failing)
    whole = seen(run)
    for cut in range(0, NETWORKS + 1, 7):
        assert seen(run[:cut]).merged(seen(run[cut:])) == whole


def test_it_does_not_matter_which_are_merged_first():
    a, b, c = (seen(history(seed)) for seed in (1, 2, 3))
    assert a.merged(b).merged(c) == a.merged(b.merged(c))


def test_what_has_seen_nothing_adds_nothing():
    some = seen(history(0))
    assert Tally().merged(some) == some == some.merged(Tally())


def test_merging_leaves_both_as_they_were():
    a, b = history(1), history(2)
    one, other = seen(a), seen(b)
    one.merged(other)
    assert (one, other) == (seen(a), seen(b))


def test_the_failures_kept_are_the_first():
    run = history(4, failing=1.0)
    merged = seen(run[:20]).merged(seen(run[20:]))
    assert max(map(len, merged.failures.values())) == KEPT
    first = min(int(failures[0].message) for failures in merged.failures.values())
    assert merged.first == first + 1
    assert merged.failing == NETWORKS


def test_the_halves_matter():
    """No equality that holds of anything: another network makes another tally."""
    run = history(5)
    whole = seen(run)
    assert seen(run[:30]).merged(seen(run[31:])) != whole
    assert seen(run[30:]).merged(seen(run[:30])) != whole


@pytest.mark.parametrize("name", ["bias-averaged-over-batch", "gradients-accumulate"])
def test_a_real_run_in_pieces(name):
    """Network by network, merged from either end, the same as counted line by line."""
    if name not in FAULTS:
        name = next(each for each, fault in FAULTS.items() if fault.family == "state")
    lines = []
    engine = asked(FAULTS[name])
    judge = Judge(Subject(name, EVERYTHING, engine), EVERYTHING, ["differences"],
                  lambda **line: lines.append(line), 0)
    pieces = []
    for case in islice(drawn(cases(EVERYTHING), 0), 12):
        judge.tally = Tally()
        judge.network(case)
        pieces.append(judge.tally)
    left = reduce(Tally.merged, pieces)
    right = reduce(lambda after, before: before.merged(after), reversed(pieces))
    assert left == right
    assert left.networks == 12
    assert left.failing == sum(bool(piece.failures) for piece in pieces) > 0
    assert sum(counts.total() for counts in left.counts.values()) == len(lines)
    assert resolution(left) == resolution(right)
