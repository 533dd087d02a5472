"""A case as a pytest test that stands by itself: numbers, NumPy, the user's function, no backproof.

The text is `templates/case.template`; what is filled in is made here.
"""

from __future__ import annotations

import os
import textwrap
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from pprint import pformat
from string import Template
from typing import Any

import numpy as np

from .. import oracles
from ..naming.words import describe
from ..plug.subject import Subject, Wrapped
from ..plug.targets import TargetError, is_file, split
from ..properties import own_loss
from ..properties.tolerance import SLACK, spread
from ..reference import Answer, Case, DescriptionError, Network

WIDTH = 98


def as_test(case: Case, subject: Subject, target: str) -> str:
    """The text of the test.

    Raises TargetError where the target is no plain function or the case has no one right answer.
    """
    place, name = split(target)
    here = f"{Path(place).name if is_file(place) else place}:{name}"
    if (not isinstance(subject.engine, Wrapped) or subject.door != "function"
            or subject.name != here):
        raise TargetError(f"--as-test needs a function as TARGET; {target} is "
                          f"{subject.door if subject.door != 'function' else 'a Subject'}")
    truth, tolerance = _wanted(case)
    return _filled("case", id=case.id, about=textwrap.fill(describe(case), WIDTH),
                   itemsize=str(np.dtype(case.dtype).itemsize), **_place(place, name),
                   **_network(case.network), **_numbers(case), **_answers(case, truth, tolerance),
                   **_loss(case, subject, truth, tolerance))


def _filled(name: str, **values: str) -> str:
    """The text of a template with these values in their places."""
    file = resources.files(__package__).joinpath("templates", f"{name}.template")
    return Template(file.read_text(encoding="utf-8")).substitute(values)


# --- what is wanted ------------------------------------------------------------------------------


def _wanted(case: Case) -> tuple[Answer, Answer]:
    """The truth, and how far from it an answer may be."""
    s = spread(case, samples=64, seed=1)
    arrays = (*case.values.values(), case.inputs, case.targets)
    if s.unclear or not s.finite or not all(np.isfinite(each).all() for each in arrays):
        raise TargetError("--as-test: the case has no one right answer to write out: a unit is on "
                          "a kink, or numbers are not finite")
    tolerance = Answer(_above(SLACK * s.loss),
                       {name: _above(SLACK * each) for name, each in s.gradients.items()})
    try:
        return oracles.load("arbiter").answer(case), tolerance
    except (oracles.NotAvailable, oracles.Unsupported):
        return s.truth, tolerance


def _above(tolerance: Any) -> Any:
    """Two digits, rounded up."""
    flat = [float(f"{1.05 * each:.1e}") for each in np.ravel(tolerance)]
    return np.reshape(np.array(flat), np.shape(tolerance))


# --- what is filled in ---------------------------------------------------------------------------


def _place(where: str, name: str) -> dict[str, str]:
    """Where the function is, and how it is had."""
    if not is_file(where):
        return {"imports": "import importlib", "where": f"MODULE, NAME = {where!r}, {name!r}",
                "load": _filled("module").rstrip()}
    path = Path(where)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    said = path.as_posix() if os.sep == "\\" else str(path)
    return {"imports": "import importlib.util", "where": f"FILE, NAME = {said!r}, {name!r}",
            "load": _filled("file").rstrip()}


def _network(network: Network) -> dict[str, str]:
    """The description: its layers as data, whatever is inside them."""
    given = network.to_json()
    layers = pformat(given["layers"], width=WIDTH - 9, sort_dicts=False)
    plain = {name: repr(getattr(network, name))
             for name in ("input_shape", "input_kind", "real", "head")}
    return {**plain, "layers": layers.replace("\n", "\n" + 9 * " "), "chain": _chain(network),
            "loss_of": f",\n{25 * ' '}".join(f"{key}={value!r}"
                                             for key, value in asdict(network.loss).items())}


def _chain(network: Network) -> str:
    """What spares the loop over the layers of a chain; nothing for any other network."""
    levels = [str(i) for i, spec in enumerate(network.layers) if spec.units is not None]
    try:
        hidden = network.hidden
    except DescriptionError:
        return ""
    if any(spec.share is not None for spec in network.layers):
        return ""
    return _filled("chain", sizes=repr(network.sizes), hidden=repr(hidden),
                   levels=repr(levels)).rstrip()


def _numbers(case: Case) -> dict[str, str]:
    """Inputs, targets and what the layers read: parameters, and constants under their names too."""
    values = "\n".join(_array(f"    {name!r}: ", value, ",") for name, value in case.values.items())
    return {"parameters": values, "inputs": _array("INPUTS = ", case.inputs),
            "targets": _array("TARGETS = ", case.targets)}


def _answers(case: Case, truth: Answer, tolerance: Answer) -> dict[str, str]:
    """The gradients wanted, with their tolerances."""
    pairs = [_pair(f"    {name!r}: ", truth.gradients[name], tolerance.gradients[name], ",")
             for name in (*case.parameters, "inputs") if name in truth.gradients]
    return {"gradients": "\n".join(pairs)}


def _loss(case: Case, subject: Subject, truth: Answer, tolerance: Answer) -> dict[str, str]:
    """The loss and its check; none where the claimed head clips it."""
    if own_loss.clipped(case, subject.claims):
        return {"loss": "LOSS = None  # clipped here, so it is not checked",
                "check_loss": "assert loss.size == 1"}
    return {"loss": _pair("LOSS = ", truth.loss, tolerance.loss),
            "check_loss": 'check("loss", loss.reshape(()), *LOSS)'}


def _pair(before: str, wanted: Any, tolerance: Any, after: str = "") -> str:
    return "\n".join([_array(f"{before}(", wanted, ","), _array(8 * " ", tolerance, f"){after}")])


def _array(before: str, value: Any, after: str = "") -> str:
    """The numbers in the shortest form that comes back bit for bit."""
    value = np.asarray(value)
    text = f"{before}array({value.tolist()!r}, dtype={str(value.dtype)!r}){after}"
    return "\n".join(textwrap.wrap(text, WIDTH, subsequent_indent=12 * " ",
                                   break_long_words=False, break_on_hyphens=False))
