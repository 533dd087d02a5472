"""`backproof explain`: what a mistake is, what a property says, what there is to know of a word.

Mistakes and properties are shown by an example in numbers, computed now.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice, product
from typing import Any

import numpy as np

from ..faults import FAULTS
from ..faults.behaviour import asked, behaviour
from ..faults.core import Fault
from ..faults.showing import shows as fault_shows
from ..faults.updating import WRONG_UPDATES, WrongUpdate
from ..judging.plan import drawn
from ..naming.reduce import reduce
from ..naming.words import describe
from ..properties.agreement import Disagreement, differing, measured
from ..properties.catalogue import catalogue
from ..properties.identities import PROPERTIES
from ..properties.strategies import cases
from ..properties.tolerance import spread
from ..reference import ACTIVATIONS, LOSSES, Answer, Case, LossSpec, evaluate, parse
from ..reference.checks import one_of
from ..reference.training import UPDATES, train
from .lessons import ANY, LESSONS, SUBJECTS, WORDS, Lesson, subject_of
from .matrix import claims

# A mistake that breaks each property that asks for no second answer.
EXAMPLES = {"contract": "bias-keepdims", "untouched_arguments": "inputs-changed-in-place",
            "answers": "bias-keepdims", "loss_value": "loss-through-argmax"}
USUAL = "bias-averaged-over-batch"
# A structure of many is in few of the networks drawn, and a mistake shows on some of those.
DRAWS = 400
ASKED = 8
SECONDS = 2.0


# A rule for each mistake of an update that needs more than the rate, and numbers for its rows.
NUMBERS = {"rate": 0.1, "momentum": 0.9, "nesterov": 0.9, "decay": 0.1, "decoupled_decay": 0.1,
           "adam": {}, "rmsprop": {}, "clip_norm": 0.5}
# Beside the usual limit one that no gradient reaches: some mistakes show only there.
LIMITS = (0.5, 1e6)
# Of the loss: what is small beside an epsilon shows where gradients are tiny.
SCALES = (1.0, 1e-6)
STEPS = 4
MOST = 10            # mistakes listed on a word
# What activations and losses are shown on: one example.
X, DY = np.array([[-2.0, -0.5, 0.5, 2.0]]), np.array([[1.0, 1.0, 0.0, 2.0]])
P, T = np.array([[0.2, 0.7, 0.1]]), np.array([[0.0, 1.0, 0.0]])
SIGNS = 2.0 * T - 1.0
OUTPUTS = {"kl_divergence_of_logs": np.log(P)}


def teach(name: str) -> str:
    """The text for a mistake, a property or a word; DescriptionError for what is none of them."""
    return "\n".join(_taught(name))


def _taught(name: str) -> Iterator[str]:
    word = subject_of(name)
    if name in FAULTS:
        return _fault(name, FAULTS[name])
    if name in WRONG_UPDATES:
        return _update(name, WRONG_UPDATES[name])
    if name in catalogue():
        return _property(name)
    if word is None:
        one_of("explain", name, {**FAULTS, **WRONG_UPDATES, **catalogue(), **WORDS})
    return _lesson(str(word), LESSONS[str(word)])


# --- words ----------------------------------------------------------------------------------------


def overview() -> str:
    """What can be explained, with something to try."""
    kinds = {"subjects": list(SUBJECTS),
             "layers, activations, losses": [name for name in LESSONS if name not in SUBJECTS],
             "properties": list(catalogue())}
    return "\n".join([
        "What can be explained; other words for these (mse, backprop, lr) are understood too.",
        *(f"\n{kind}:\n  {', '.join(names)}" for kind, names in kinds.items()),
        f"\nmistakes: {len(FAULTS) + len(WRONG_UPDATES)} of them; "
        "`python -m backproof list faults` has their names",
        "\n  python -m backproof explain bias",
        "  python -m backproof explain sigmoid",
        "  python -m backproof explain bias-averaged-over-batch"])


def _lesson(name: str, lesson: Lesson) -> Iterator[str]:
    yield name
    yield from (f"  {line}" for line in lesson.formulas or _equations(lesson.stands))
    yield from (f"    {line}" for line in in_numbers(lesson))
    yield f"  computed in: {lesson.stands}"
    found = mistakes(lesson)
    if found:
        yield f"  mistakes that people make with it ({len(found)} known):"
        width = max(map(len, list(found)[:MOST]))
        yield from (f"    {key.ljust(width)}  {symptom}"
                    for key, symptom in islice(found.items(), MOST))
    if len(found) > MOST:
        yield f"    and {len(found) - MOST} more: {', '.join(list(found)[MOST:])}"
    if found:
        yield f"  more on one of them: python -m backproof explain {next(iter(found))}"
    yield from (f"  see: {line}" for line in lesson.see)


def _equations(stands: str) -> list[str]:
    """What the file of a layer says of it: its whole docstring."""
    module = stands.removesuffix(".py").replace("/", ".")
    said = importlib.import_module(f"{__package__.partition('.')[0]}.{module}").__doc__ or ""
    return said.strip().splitlines()


def mistakes(lesson: Lesson) -> dict[str, str]:
    """The known mistakes that the lesson is about: name -> symptom."""
    named = {name: row.symptom for pattern in lesson.names for name, row in FAULTS.items()
             if fnmatchcase(name, pattern)}
    asked_of = _networks_of(lesson)
    faults = {name: fault.symptom for name, fault in FAULTS.items()
              if fault.family in lesson.families and (
                  not asked_of or any(fault_shows(fault, case) for case in asked_of))}
    updates = {name: row.symptom for name, row in WRONG_UPDATES.items()
               if {*(row.rows or (ANY,))} & {*lesson.rows}}
    return named | faults | updates


def in_numbers(lesson: Lesson) -> Iterator[str]:
    """What the reference makes of a few numbers: of an activation or a loss, with usual options."""
    if lesson.hidden:
        row = ACTIVATIONS[lesson.hidden]
        usual = {key: option.default for key, option in row.options.items()}
        y = row.f(X, **usual)
        yield f"x = {_plainly(X)}, dy = {_plainly(DY)}:"
        yield f"y = {_plainly(y)}, dx = {_plainly(row.backward(X, y, DY, **usual))}"
    elif lesson.loss:
        loss = LOSSES[lesson.loss]
        given = {key: getattr(LossSpec(lesson.loss), key) for key in loss.options}
        p, t = OUTPUTS.get(lesson.loss, P), SIGNS if loss.targets == ("sign",) else T
        yield f"p = {_plainly(p)}, t = {_plainly(t)}:"
        yield f"L = {np.sum(loss.L(p, t, **given)):.4g}, dL/dp = {_plainly(loss.dL(p, t, **given))}"


def _plainly(row: Any) -> str:
    """One row of an array, with four digits."""
    return f"[{', '.join(f'{number + 0.0:.4g}' for number in np.ravel(row))}]"


def _networks_of(lesson: Lesson) -> list[Case]:
    """A few networks with the activation, or the loss, that the lesson is about; none else."""
    whole = claims()
    if lesson.hidden:
        mine = replace(whole, hidden=(lesson.hidden,), layers=("dense",), depth=(2, 3),
                       heads=_heads("squared_error"))
    elif lesson.loss:
        mine = replace(whole, heads=_heads(lesson.loss), layers=("dense",), hidden=("tanh",))
    else:
        return []
    return list(islice(drawn(cases(mine, dtype="float64"), 7), ASKED))


def _heads(loss: str) -> tuple[Any, ...]:
    """The heads with this loss; only those that leave the outputs as they are, if there are any."""
    having = [head for head in claims().heads if head.loss == loss]
    return tuple([head for head in having if head.activation == "identity"] or having)


# --- updates --------------------------------------------------------------------------------------


def _update(name: str, row: WrongUpdate) -> Iterator[str]:
    yield f"{name} (a mistake of an update rule; of {', '.join(row.rows) or 'every rule'})"
    yield f"  symptom: {row.symptom}"
    yield f"  wrong:   {row.wrong}"
    yield f"  right:   {row.right}"
    yield from _steps(row)
    yield f"  seen in: {row.seen}"


def _steps(row: WrongUpdate) -> Iterator[str]:
    """A parameter after each of some steps, by the wrong rule and by the right one."""
    for rule, case in product(_rules(row), _small()):
        change = row.change(rule)
        right, wrong = _path(case, rule, UPDATES), _path(case, change.rule, change.rows)
        apart = next((key for key in case.parameters
                      if not np.allclose(right[key], wrong[key], rtol=1e-6, atol=0.0)), None)
        if apart is not None:
            at = int(np.argmax(np.abs(right[apart] - wrong[apart]).max(axis=0)))
            said = ", ".join(f"{key} {value}" for key, value in rule.items())
            yield f"  example: {describe(case)}; rule: {said.replace(' {}', '')}"
            for what, values in (("wrong", wrong), ("right", right)):
                yield (f"           {what}: {apart}, entry {at}, after each step = "
                       f"{_short(values[apart][:, at])}")
            return


def _rules(row: WrongUpdate) -> Iterator[dict[str, Any]]:
    """Rules that have the rows it needs."""
    for limit in LIMITS:
        rule = {name: NUMBERS[name] for name in dict.fromkeys(("rate", *row.rows))}
        yield rule | ({"clip_norm": limit} if "clip_norm" in rule else {})


def _small() -> Iterator[Case]:
    """A network of few numbers, each of which moves at every step; then one with tiny gradients."""
    x, t = np.array([[1.0, 0.5], [-0.5, 2.0]]), np.array([[1.0], [0.0]])
    parameters = {"0.weight": np.array([[0.5], [-0.25]]), "0.bias": np.array([0.1]),
                  "2.weight": np.array([[0.75]]), "2.bias": np.array([0.2])}
    dense = {"kind": "dense", "units": 1, "bias": True}
    layers = [dense, {"kind": "activation", "function": "tanh"}, dense]
    for scale in SCALES:
        loss = {"kind": "squared_error", "reduction": "sum", "scale": scale}
        yield Case(parse.network({"format": 1, "input_shape": [2], "layers": layers,
                                  "loss": loss}), parameters, x, t)


def _path(case: Case, rule: Mapping[str, Any], rows: Mapping[str, Any]) -> dict[str, Any]:
    """By parameter, a row for each step with its entries after it."""
    each = [train(case, rule, steps, rows=rows)[0].parameters for steps in range(1, STEPS + 1)]
    return {name: np.stack([np.ravel(one[name]) for one in each]) for name in case.parameters}


# --- properties -----------------------------------------------------------------------------------


def _property(name: str) -> Iterator[str]:
    yield f"{name} (a property)"
    if name in PROPERTIES:
        yield f"  says:   {PROPERTIES[name].says}"
        yield f"  source: {PROPERTIES[name].source}"
        broken = _breakers(name)
        for fault, (parameter, left, right) in list(broken.items())[:1]:
            yield f"  wrong:  with {fault}, {parameter}: one side {left:.6g}, the other {right:.6g}"
            yield "  right:  both sides are the same number"
        if broken:
            yield f"  broken by, among others: {', '.join(broken)}"
        else:
            yield "  broken by: no fault tried here"
    else:
        fault = EXAMPLES.get(name, USUAL)
        yield f"  says:   {catalogue()[name].says}"
        yield f"  broken by, among others: {fault}"
        yield from _example(FAULTS[fault])
        yield "  source: the definition of the gradient; `reference/` is the declared one"


def _breakers(name: str) -> dict[str, tuple[str, float, float]]:
    """A few faults that break an identity, tried now: which equation, and its two sides."""
    found: dict[str, tuple[str, float, float]] = {}
    rng = np.random.default_rng(0)
    drawn_cases = islice(drawn(cases(claims()), 5), DRAWS)
    found_asks = (PROPERTIES[name].question(case, claims(), rng) for case in drawn_cases)
    asks = list(islice(filter(None, found_asks), ASKED))
    for fault, row in FAULTS.items():
        engine = asked(row)
        for asking in asks:
            questions = asking.cases
            answers = [behaviour(engine, case) for case in questions]
            if all(isinstance(answer, Answer) for answer in answers):
                replies = [measured(c, a, spread(c))
                           for c, a in zip(questions, answers, strict=True)
                           if isinstance(a, Answer)]
                sides = filter(None, (differing(*e) for e in asking.equations(replies)))
                wrong = next(filter(plainly, sides), None)
                if wrong:
                    found[fault] = (wrong.parameter, wrong.got, wrong.wanted)
                    break
        if len(found) == 4:
            break
    return found


def plainly(d: Disagreement) -> bool:
    """Whether the two sides differ beyond the rounding of a wrong gradient, which may be large."""
    return not np.isclose(d.got, d.wanted, rtol=1e-5, atol=0.0)


def _fault(name: str, fault: Fault) -> Iterator[str]:
    yield f"{name} (a mistake; {fault.family})"
    yield f"  symptom: {fault.symptom}"
    yield f"  wrong:   {fault.wrong}"
    yield f"  right:   {fault.right}"
    if fault.number is not None:
        yield (f"  number:  with one number: {fault.number.name}, which a run fits and tells; "
               f"{fault.number.usual:g} in the example")
    yield from _example(fault)
    yield f"  seen in: {fault.seen}"


def _example(fault: Fault) -> Iterator[str]:
    """Two lines of numbers on the smallest network found that shows it."""
    case = shown(fault)
    if case is None:
        return
    seen, true = behaviour(asked(fault), case), evaluate(case)
    yield f"  example: {describe(case)}"
    if not isinstance(seen, Answer):
        yield f"           {seen[0]}: {seen[1]}"
        return
    pairs = {"loss": (seen.loss, true.loss),
             **{k: (g, true.gradients[k]) for k, g in seen.gradients.items()}}
    for where, (wrong, right) in pairs.items():
        if not np.allclose(wrong, right, rtol=1e-12, atol=0.0):
            yield f"           wrong: {where} = {_short(wrong)}"
            yield f"           right: {where} = {_short(right)}"
            return


def _short(array: object) -> str:
    text = np.array2string(np.asarray(array), precision=6, separator=", ", threshold=6)
    return " ".join(text.replace("\n", "").split())


def shown(fault: Fault) -> Case | None:
    """The smallest float64 case found on which the fault shows.

    None where no drawn case does, or where the fault needs memory.
    """
    def shows(case: Case) -> bool:
        return fault_shows(fault, case)

    mine = claims(fault.family)
    drawn_cases = islice(drawn(cases(mine, dtype="float64"), 11), DRAWS)
    first = next((case for case in drawn_cases if shows(case)), None)
    return None if first is None else reduce(first, shows, mine, SECONDS)
