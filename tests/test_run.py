"""The run: right subjects conform, wrong ones are caught and named, and whatever a subject does there is a report."""

import json
import signal
import sys
import time
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from backproof import oracles
from backproof.faults import FAULTS
from backproof.faults.showing import structures_in
from backproof.judging.judge import Failure
from backproof.judging.plan import Plan
from backproof.plug.contract import Declined
from backproof.plug.subject import Subject, subject_of
from backproof.properties.claims import EVERYTHING, Claims, Head
from backproof.record.report import EXITS, OUTCOMES
from backproof.record.writing import Recorder
from backproof.reference import ACTIVATIONS, TABLES, Answer, evaluate
from backproof.running import run as run_module
from backproof.running.run import run
from wrong_engines import ALL, CLAIMED, KNOWN, SQUARED, WRONG, verified

from backproof.judging import asking  # isort: skip
from backproof.judging import verdict as sharpness  # isort: skip

BOTH = replace(CLAIMED, dtypes=("float64", "float32"))
MEAN = replace(CLAIMED, heads=(replace(SQUARED, reduction="mean"),))
SOFTMAX = Claims(hidden=("tanh",), heads=(Head("softmax", "squared_error", reduction="sum"),))
RELU = replace(CLAIMED, hidden=("relu", "tanh"))


def scaled(gradient=1.0, loss=1.0):
    def engine(case):
        right = evaluate(case)
        return Answer(loss * right.loss, {k: gradient * g for k, g in right.gradients.items()})
    return engine


def text(report):
    return "\n".join(finding.text for finding in report.findings)


# --- right subjects -------------------------------------------------------------------------------------------

RIGHT = {
    "everything": Claims(**{**vars(EVERYTHING), "explored": False}), "both dtypes": BOTH, "mean": MEAN, "relu": RELU,
    "softmax": SOFTMAX, "no bias": replace(CLAIMED, bias="never"), "batch 1": replace(CLAIMED, batch=(1, 1)),
    "classes": Claims(hidden=("relu",), heads=(Head("identity", "softmax_cross_entropy", "mean_over_batch"),)),
}


TORCH_TOO = ("both dtypes", "softmax", "classes")
SUBJECTS = [*(("reference", name) for name in RIGHT), *(("torch", name) for name in TORCH_TOO)]


@pytest.mark.parametrize(("engine", "claims"), SUBJECTS)
def test_right_subjects_conform(engine, claims):
    claims = RIGHT[claims]
    answer = evaluate if engine == "reference" else lambda case: oracles.load("torch").answer(case, None)
    report = verified(answer, claims, examples=15, oracles=("differences", "complex_step", "arbiter"))
    assert (report.verdict, report.exit, report.findings) == ("conforms", 0, []), report
    assert report.networks == 15
    assert not report.total("failed") + report.total("errored") + report.total("declined")
    assert {"reference", "contract", "loss_value", "own_loss", "differences", "arbiter"} <= set(report.counts)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_textbook_softmax_cross_entropy_conforms(dtype):
    """p - t is the gradient where targets are distributions, and the claims say that they are."""
    def fused(case):
        return evaluate(case, TABLES._replace(losses={**TABLES.losses, "softmax_cross_entropy": row}))

    right = TABLES.losses["softmax_cross_entropy"]
    row = right._replace(dL=lambda z, t: ACTIVATIONS["softmax"].f(z) - t)
    head = Head("identity", "softmax_cross_entropy", reduction="mean_over_batch", targets="soft")
    report = verified(fused, Claims(hidden=("tanh",), heads=(head,), dtypes=(dtype,)), examples=20)
    assert report.verdict == "conforms", report
    assert report.counts["target_mixture"]["passed"]


def test_one_with_jax():
    report = verified(evaluate, replace(CLAIMED, depth=(1, 2)), oracles=("torch", "jax"), require=("jax",), examples=3)
    assert report.verdict == "conforms"
    assert report.counts["jax"]["passed"] > 3


# --- wrong subjects -------------------------------------------------------------------------------------------

WRONG_AND_WORDS = {  # by name in WRONG: claims, what the explanations say
    "bias averaged": (CLAIMED, ["gradient of 0.bias is 1/N times what it should be",
                                "wrong: 0.bias; right: ",
                                "the loss reported is the declared one", "N is the batch size"]),
    "bias zero": (CLAIMED, ["0.bias is 0 where it should not be", "wrong: 0.bias; right: "]),
    "bias of the first example": (CLAIMED, ["wrong: 0.bias; right: ", "batch 2"]),
    "bias summed over everything": (CLAIMED, ["wrong: 0.bias; right: ", "-> 2"]),
    "bias before the activation": (CLAIMED, ["bias", "hidden"]),
    "weight transposed where square": (CLAIMED, ["wrong: 0.weight; right: ", "network 2 -> 2"]),
    "W for its transpose where square": (CLAIMED, ["right: 2.weight and 2.bias", "-> 2 -> 2"]),
    "passed on twice": (CLAIMED, ["wrong: 0.weight, 0.bias and inputs; right: 2.weight and 2.bias"]),
    "not passed on": (CLAIMED, ["0.weight, 0.bias and inputs is 0 where it should not be",
                                "right: 2.weight and 2.bias"]),
    "first layer doubled": (CLAIMED, ["wrong: 0.weight; right: "]),
    "derivative missing": (CLAIMED, ["wrong: 0.weight, 0.bias and inputs; right: 2.weight and 2.bias", "hidden"]),
    "sigmoid derivative missing": (CLAIMED, ["right: 2.weight and 2.bias", "hidden sigmoid"]),
    "relu derivative always 1": (RELU, ["right: 2.bias; 0 in truth, so neither: 2.weight", "hidden relu"]),
    "softmax diagonal": (SOFTMAX, ["output softmax", "the loss reported is the declared one"]),
    "gradient doubled": (MEAN, ["the gradient is 2 times the gradient of its own loss", "right: none"]),
    "gradient times outputs": (MEAN, ["the gradient is n_outputs times the gradient of its own loss",
                                      "n_outputs = 2 on this case"]),
    "gradient with the wrong sign": (CLAIMED, ["the gradient is -1 times the gradient of its own loss"]),
    "gradient zero": (CLAIMED, ["is 0 where it should not be", "right: none"]),
    "last example dropped": (CLAIMED, ["batch 2", "the loss reported is the declared one"]),
    "accumulating": (CLAIMED, ["the same question, asked twice, has the same answer, but", "batch 1"]),
    "caching the last batch": (CLAIMED, ["state: ", "did not keep to it"]),
}


@pytest.mark.parametrize("name", WRONG_AND_WORDS)
def test_a_wrong_subject_is_caught_and_told_what_is_wrong(name):
    claims, words = WRONG_AND_WORDS[name]
    report = verified(WRONG[name](), claims, examples=40, stop_after=6)
    assert (report.verdict, report.exit) == ("does_not_conform", 1)
    assert report.findings
    assert [word for word in words if word not in text(report)] == [], text(report)
    first = report.findings[0]
    assert first.error > first.tolerance
    assert first.parameter


def structures_about(name):
    """The structures that a wrong engine is wrong in, where it is wrong in no other network."""
    own = {"second branch left out": ("parallel",), "second bias doubled": ("rnn",)}
    if name.startswith("norms"):
        return ("layer_norm",)
    return own.get(name, structures_in(FAULTS[KNOWN[name]].family) if name in KNOWN else ())


@pytest.mark.parametrize("name", sorted(set(WRONG) - set(WRONG_AND_WORDS)))
def test_every_other_wrong_subject_is_caught(name):
    claims = EVERYTHING if "leaky" in name or "identity" in name else BOTH
    claims = ALL if "shared" in name or "upstream" in name else claims
    about = structures_about(name)
    claims = replace(EVERYTHING, layers=about) if about else claims
    assert verified(WRONG[name](), claims, examples=40, stop_after=1).verdict == "does_not_conform"


@pytest.mark.parametrize("name", ["bias averaged", "derivative missing", "gradient doubled"])
def test_single_precision_hides_nothing(name):
    report = verified(WRONG[name](), replace(CLAIMED, dtypes=("float32",)))
    assert report.verdict == "does_not_conform"
    assert "float32" in text(report)


def test_a_mistake_in_one_layer_only():
    """The derivative is missing in the first hidden layer: what is above it is right."""
    def engine(case):
        right, wrong = evaluate(case), WRONG["derivative missing"]()(case)
        first = {k: g for k, g in wrong.gradients.items() if k.startswith("0.")}
        return Answer(right.loss, {**right.gradients, **first})

    found = text(verified(engine))
    assert "wrong: 0.weight and 0.bias; right: " in found


LOSSES = [  # gradient times, loss times, verdict, words
    (1.0, 1.0, "conforms", []),
    (1.0, 2.0, "does_not_conform", ["the loss reported is 2 times the declared one", "the gradient is right"]),
    (1.0, -1.0, "does_not_conform", ["the loss reported is -1 times the declared one", "the gradient is right"]),
    (1.0, 3.0, "does_not_conform", ["the loss reported is 3 times the declared one"]),
    (1.0, 0.5, "does_not_conform", ["the loss reported is 1/2 times the declared one", "the gradient is right"]),
    (0.5, 1.0, "does_not_conform", ["the gradient is 1/2 times the gradient of its own loss"]),
    (3.0, 3.0, "does_not_conform", ["both 3 times the declared ones: claim that reduction or scale"]),
    (2.0, 3.0, "does_not_conform", ["the loss reported is", "the declared one"]),
]


@pytest.mark.parametrize(("gradient", "loss", "verdict", "words"), LOSSES)
def test_the_table_of_two_losses(gradient, loss, verdict, words):
    report = verified(scaled(gradient, loss))
    assert report.verdict == verdict
    assert [word for word in words if word not in text(report)] == [], text(report)


# --- reductions -----------------------------------------------------------------------------------------------

REDUCTIONS = [(r, s) for r in ("sum", "mean_over_batch", "mean") for s in (1.0, 0.5)]


@pytest.mark.parametrize(("reduction", "scale"), REDUCTIONS)
def test_a_reported_reduction_is_fitted_and_said(reduction, scale):
    def engine(case):
        loss = replace(case.network.loss, reduction=reduction, scale=scale)
        return evaluate(case.but(network=replace(case.network, loss=loss)))

    report = verified(engine, replace(CLAIMED, heads=(Head("identity", "squared_error"),)), examples=6)
    words = reduction.replace("_", " ") + ("" if scale == 1 else f", times {scale:g}")
    assert report.verdict == "conforms", report
    assert f"reduction of identity + squared_error, from the loss reported: {words}" in report.notes


def test_a_fitted_reduction_is_held():
    """The loss is a mean, the gradient is that of the sum: the loss says which one is meant."""
    def engine(case):
        def of(reduction):
            loss = replace(case.network.loss, reduction=reduction)
            return evaluate(case.but(network=replace(case.network, loss=loss)))
        return Answer(of("mean_over_batch").loss, of("sum").gradients)

    report = verified(engine, replace(CLAIMED, heads=(Head("identity", "squared_error"),)))
    assert "the gradient is N times the gradient of its own loss" in text(report)


def test_a_named_reduction_is_not_fitted():
    report = verified(evaluate, MEAN, examples=4)
    assert not any("reduction of" in note for note in report.notes)


# --- what subjects do -----------------------------------------------------------------------------------------


def plain(target, claims=CLAIMED, **plan):
    """A plugged-in function, through the wrapper that checks its answers."""
    subject = replace(subject_of(target, "mine"), claims=claims)
    with np.errstate(all="ignore"):
        return run(subject, Plan(**{"examples": 8, "oracles": ("torch",), **plan}), Recorder())


def right(network, parameters, inputs, targets):
    from backproof.reference import Case
    answer = evaluate(Case(network, parameters, inputs, targets, str(inputs.dtype)))
    return answer.loss, dict(answer.gradients)


def with_gradients(change):
    def subject(network, parameters, inputs, targets):
        loss, g = right(network, parameters, inputs, targets)
        return loss, change(g, parameters, inputs)
    return subject


def only_in(condition, change):
    """Right but where the condition holds: past the smoke test."""
    def subject(network, parameters, inputs, targets):
        reply = right(network, parameters, inputs, targets)
        return change(reply) if condition(inputs) else reply
    return subject


def mutating(network, parameters, inputs, targets):
    reply = right(network, dict(parameters), inputs.copy(), targets)
    parameters["0.weight"] -= 0.1 * reply[1]["0.weight"]
    return reply


def raising(reply):
    raise ZeroDivisionError("division by zero in the batch")


def declining(reply):
    raise Declined("batches of two")


def two(inputs):
    return len(inputs) == 2


def many(inputs):
    return len(inputs) > 1


def with_bias(function):
    return with_gradients(lambda g, p, x: {k: function(v) if k.endswith("bias") else v for k, v in g.items()})


def given(change):
    """The right loss, and the gradients of a batch of two changed: past the smoke test."""
    return only_in(two, lambda reply: (reply[0], change(reply[1])))


def unsummed(g, parameters, inputs):
    """A row of biases for every example."""
    return {k: np.tile(v, (len(inputs), 1)) if k.endswith("bias") and len(inputs) > 1 else v for k, v in g.items()}


def cast(*dtypes):
    def change(g, parameters, inputs):
        for dtype in dtypes:
            g = {k: v.astype(dtype) for k, v in g.items()}
        return g
    return with_gradients(change)


def jittering(g, parameters, inputs):
    return {k: v * (1 + 1e-9 * np.random.default_rng().random()) for k, v in g.items()}


MISBEHAVING = {  # subject: property, outcome, words
    "raising": (only_in(two, raising), "answers", "errored", ["ZeroDivisionError: division by zero in the", "batch 2"]),
    "declining": (only_in(two, declining), "answers", "failed", ["batches of two", "batch 2"]),
    "None": (only_in(two, lambda r: None), "contract", "failed", ["None", "return statement missing", "batch 2"]),
    "None for a gradient": (given(lambda g: {**g, "0.bias": None}), "contract", "failed", ["0.bias is None"]),
    "a missing key": (given(lambda g: {k: v for k, v in g.items() if k != "0.bias"}), "contract", "failed",
                      ["no gradient for '0.bias'"]),
    "an unknown key": (given(lambda g: {**g, "0.biases": g["0.bias"]}), "contract", "failed", ["'0.biases'"]),
    "NaN": (given(lambda g: {**g, "0.bias": np.nan * g["0.bias"]}), "reference", "failed", ["0.bias", "nan"]),
    "infinity": (given(lambda g: {k: v + np.inf for k, v in g.items()}), "reference", "failed", ["inf"]),
    "NaN for the loss": (only_in(two, lambda r: (np.nan, r[1])), "loss_value", "failed", ["the loss reported is nan"]),
    "mutating": (mutating, "untouched_arguments", "failed", ["parameters['0.weight'] was changed in place"]),
    "keepdims": (with_bias(lambda b: b[None]), "contract", "failed", ["keepdims left in", "0.bias"]),
    "not summed": (with_gradients(unsummed), "contract", "failed", ["not summed over the batch"]),
    "float32 in float64": (cast("float32"), "contract", "failed", ["is float32 in a float64 case: digits are lost"]),
    "float32 inside": (cast("float32", "float64"), "reference", "failed", ["wrong: "]),
    "random": (with_gradients(jittering), "repeated_question", "failed", ["the same question, asked twice"]),
}


@pytest.mark.parametrize("name", MISBEHAVING)
def test_whatever_a_subject_does_is_a_finding(name):
    subject, broken, outcome, words = MISBEHAVING[name]
    report = plain(subject, examples=40, stop_after=4)
    assert report.verdict == "does_not_conform", report
    assert (report.findings[0].property, report.findings[0].outcome) == (broken, outcome)
    assert [word for word in words if word not in text(report)] == [], text(report)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))


def test_the_run_goes_on_after_an_exception():
    report = plain(MISBEHAVING["raising"][0])
    assert report.networks == 8
    assert report.counts["answers"]["errored"] > 1
    assert report.counts["reference"]["passed"] > 30


def test_a_subject_that_hangs(monkeypatch):
    monkeypatch.setattr(asking, "QUESTION_SECONDS", 0.05)

    def hangs(reply):
        while True:
            time.sleep(0.01)

    report = plain(only_in(two, hangs), examples=40, stop_after=1)
    assert report.verdict == "does_not_conform"
    assert report.findings[0].property == "answers"
    assert report.findings[0].outcome == "errored"
    assert "no answer" in text(report)


def test_a_subject_that_always_hangs_is_not_judged(monkeypatch):
    monkeypatch.setattr(asking, "QUESTION_SECONDS", 0.05)
    report = plain(lambda *_: time.sleep(60), examples=2)
    assert (report.verdict, report.exit) == ("not_judged", 2)
    assert "no answer" in report.reason


def test_a_subject_that_prints_may(capsys):
    def chatty(*arguments):
        print("hello", end="")
        print("there", end="", file=sys.stderr)
        return right(*arguments)

    assert plain(chatty).verdict == "conforms"
    assert "hello" in capsys.readouterr().out


ADAPTERS = {
    "raises": (lambda *_: {}["W"], "KeyError: 'W'"), "returns nothing": (lambda *_: None, "return statement missing"),
    "returns a number": (lambda *_: 1.0, "(loss, gradients) is wanted"),
    "no gradients": (lambda *_: (1.0, None), "the gradients are a dictionary"),
}


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_broken_adapter_is_not_a_wrong_gradient(name):
    subject, words = ADAPTERS[name]
    report = plain(subject)
    assert (report.verdict, report.exit, report.networks, report.findings) == ("not_judged", 2, 0, [])
    assert report.reason.startswith("smoke: your adapter is broken, its gradient was not judged: ")
    assert words in report.reason


def test_a_wrong_shape_is_a_finding_not_a_broken_adapter():
    assert plain(with_bias(lambda b: b[None]), examples=2).exit == 1


EXPLORED = replace(CLAIMED, explored=True)


def test_an_explored_subject_may_decline_and_it_shows():
    report = plain(only_in(two, declining), EXPLORED)
    assert not report.findings
    assert report.counts["answers"]["declined"]
    assert "declined: batches of two" in report.notes


def test_an_explored_subject_that_declines_is_never_green():
    report = plain(only_in(two, declining), EXPLORED)
    assert report.verdict != "conforms"
    assert report.exit != 0


def test_an_explored_subject_with_a_mistake_does_not_conform():
    assert verified(WRONG["bias averaged"](), EXPLORED).verdict == "does_not_conform"


def test_a_check_that_had_nothing_to_check_has_not_passed():
    """Σ W dW = Σ x dx needs the gradient of the inputs, which this subject does not give."""
    report = plain(with_gradients(lambda g, p, x: {k: v for k, v in g.items() if k != "inputs"}))
    assert report.verdict == "conforms"
    assert not report.counts.get("input_energy", {}).get("passed")


# --- an end before the end ------------------------------------------------------------------------------------


def interrupted_after(calls, engine=evaluate):
    left = [calls]

    def subject(case):
        left[0] -= 1
        if left[0] < 0:
            signal.raise_signal(signal.SIGINT)
        return engine(case)
    return subject


@pytest.mark.parametrize("calls", [0, 1, 30, 90])
def test_ctrl_c_leaves_the_record_so_far(calls):
    report = verified(interrupted_after(calls))
    assert (report.verdict, report.exit) == ("incomplete", 3)
    assert "interrupted" in report.reason
    assert report.networks < 8
    assert json.dumps(report.to_json())
    assert bool(report.counts) == (calls > 0)
    assert report.total("passed") >= calls - 1  # the smoke test's one


def test_ctrl_c_during_the_explanation(monkeypatch):
    calls, explaining = [], []

    def engine(case):
        calls.append(case)
        if explaining and len(calls) > explaining[0] + 5:
            signal.raise_signal(signal.SIGINT)
        return WRONG["bias averaged"]()(case)

    loop = run_module._networks
    monkeypatch.setattr(run_module, "_networks", lambda *a: (loop(*a), explaining.append(len(calls)))[0])
    report = verified(engine, examples=6)
    assert (report.verdict, report.reason, report.networks) == ("incomplete", "interrupted", 6)
    assert report.total("failed")


def test_below_the_floor_nothing_conforms():
    for claims, plan, words in ((CLAIMED, {"examples": 1}, "of 30 sharp comparisons of float64"),
                                (BOTH, {"examples": 2}, "of 30 sharp comparisons of")):
        report = verified(evaluate, replace(claims, depth=(1, 1), batch=(1, 1)), **plan)
        assert (report.verdict, report.exit) == ("incomplete", 3)
        assert words in report.reason


def test_the_floor_counts_sharp_comparisons_only(monkeypatch):
    monkeypatch.setattr(sharpness, "SHARP", {"float64": 1e-30, "float32": 1e-30})
    report = verified(evaluate)
    assert report.verdict == "incomplete"
    assert "only 0 of 30 sharp comparisons of float64 weight" in report.reason


def test_a_mistake_below_the_floor_is_a_mistake():
    assert verified(WRONG["gradient doubled"](), examples=1).exit == 1


def test_the_time_limit_ends_a_run():
    started = time.monotonic()
    report = verified(evaluate, examples=100_000, seconds=1.0)
    assert time.monotonic() - started < 5
    assert 0 < report.networks < 100_000
    assert any(note.startswith("time limit: ") for note in report.notes)


def test_an_absent_oracle_is_counted_never_passed(monkeypatch):
    load = oracles.load

    def missing(name):
        if name == "torch":
            raise oracles.NotAvailable(name, "not installed")
        return load(name)

    monkeypatch.setattr(oracles, "load", missing)
    report = verified(evaluate, examples=4, oracles=("torch", "differences"))
    assert report.counts["torch"] == {"not_available": 1}
    with pytest.raises(oracles.NotAvailable):
        verified(evaluate, examples=4, require=("torch",))


def test_no_witness_no_blame():
    """Neither torch nor the same loss: a disagreement is inconclusive, and the report names the absent."""
    report = verified(scaled(2.0, 1.5), oracles=())
    assert report.counts["reference"].get("failed", 0) == 0
    assert report.counts["reference"]["inconclusive"]
    assert any("torch and jax not available" in note for note in report.notes)
    assert report.exit == 1  # its loss is not the declared one


# --- the report -----------------------------------------------------------------------------------------------

KEYS = {"schema", "subject", "verdict", "environment", "seed", "counts", "findings", "resolution", "seconds"}
FINDING = {"property", "parameter", "where", "got", "wanted", "error", "tolerance", "case", "explanation"}


@pytest.mark.parametrize("name", [None, "bias averaged", "accumulating"])
def test_the_report_as_json(name):
    report = verified(WRONG[name]() if name else evaluate, seed=3)
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert set(data) >= KEYS
    assert (data["subject"], data["seed"], data["verdict"]) == ("mine", 3, report.verdict)
    assert EXITS[data["verdict"]] == report.exit
    assert bool(data["findings"]) == (name is not None)
    assert all(set(finding) >= FINDING for finding in data["findings"])
    assert {outcome for by in data["counts"].values() for outcome in by} <= set(OUTCOMES)
    assert data["resolution"]["float64"]["weight"]["smallest_error"] < 1e-10
    assert data["resolution"]["float64"]["bias"]["sharp"] >= 30


@pytest.mark.parametrize("engine", [lambda: evaluate, WRONG["bias averaged"], WRONG["caching the last batch"],
                                    lambda: only_raising], ids=["right", "wrong", "stateful", "raising"])
def test_the_same_seed_the_same_report(engine):
    first, second = (verified(engine(), BOTH, seed=4, examples=5).to_json() for _ in range(2))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def only_raising(case):
    if case.batch == 3:
        raise ValueError("three")
    return evaluate(case)


def test_another_seed_asks_other_questions():
    def asked(seed):
        seen = set()
        verified(lambda case: (seen.add(case.id), evaluate(case))[1], examples=4, seed=seed)
        return seen

    one, same, other = asked(1), asked(1), asked(2)
    assert one == same
    assert len(one & other) < 0.5 * len(one)


def test_every_result_is_recorded_as_it_comes():
    lines = []

    class Listening(Recorder):
        def result(self, **fields):
            lines.append(fields)

    report = run(Subject("mine", CLAIMED, evaluate), Plan(examples=5, oracles=("torch",)), Listening())
    assert len(lines) == sum(n for by in report.counts.values() for n in by.values())
    assert {(line["property"], line["outcome"]) for line in lines} == {
        (name, outcome) for name, by in report.counts.items() for outcome in by}


def test_a_failure_keeps_its_case():
    failure = Failure("reference", "bias", None)
    assert (failure.message, failure.disagreements, failure.asked) == ("", (), ())


def test_a_subject_that_raises_now_and_then_does_not_end_the_run():
    """Along a line too, where the questions are many."""
    calls = count()

    def engine(case):
        if next(calls) % 37 == 36:
            raise OSError("now and then")
        return evaluate(case)

    report = verified(engine, examples=20)
    assert report.verdict == "does_not_conform"
    assert report.networks == 20
    assert any("now and then" in finding.explanation for finding in report.findings)
