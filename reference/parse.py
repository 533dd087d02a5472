"""From JSON to networks and cases: every name, option, shape and number is checked on the way.

Whatever cannot be raises DescriptionError: one line that says what was received and what is
allowed. `tables` (default: those of this package) say which kinds exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any

from .activations import UNIT
from .arrays import DTYPES, array_from_json
from .case import Case
from .checks import (
    MOST_AXES,
    DescriptionError,
    Json,
    mapping,
    number,
    one_of,
    refuse_deep,
    refuse_unknown,
    size,
    this_format,
)
from .kinds import Shape, Shapes, Tables
from .network import PENALISED, PENALTIES, STATED, LayerSpec, LossSpec, Network
from .shapes import infer
from .tables import TABLES

# --- networks -------------------------------------------------------------------------------------


def network(data: Json, tables: Tables = TABLES) -> Network:
    """Parse and check a description; DescriptionError names what is unknown and what cannot be."""
    refuse_deep("network", data)
    data = mapping("network", data)
    refuse_unknown("network", data, ("format", "input_shape", "input_kind", "layers", "loss"))
    this_format("network", data)
    if not isinstance(data.get("layers"), list):
        raise DescriptionError(f"network: layers is {data.get('layers')!r}, "
                               "wanted a list of layers")
    layers = tuple(layer(tables, f"layer {i}", each) for i, each in enumerate(data["layers"]))
    kind = _input_kind(data.get("input_kind", "real"))
    shape = _input_shape(data.get("input_shape"), 1 if kind == "real" else 0)
    parsed = Network(shape, layers, loss(data.get("loss"), tables), kind)
    infer(parsed, tables)
    return parsed


def layer(tables: Tables, where: str, data: Json) -> LayerSpec:
    """Parse one layer, every option checked against its rule; `where` names it in messages."""
    data = dict(mapping(where, data))
    kind = one_of(f"{where}: layer kind", data.pop("kind", None), tables.layers)
    where = f"{where} ({kind})"
    share, transpose = data.pop("share", None), data.pop("transpose", False)
    if not isinstance(share, str | None) or not isinstance(transpose, bool):
        raise DescriptionError(f"{where}: share is a layer name such as \"0\", "
                               "transpose is true or false")
    if transpose and share is None:
        raise DescriptionError(f"{where}: transpose without share")
    rule = tables.layers[kind]
    options = rule.finish(where, rule.parse(where, data, tables), partial(layer, tables))
    spec = LayerSpec(kind, options, share, transpose)
    if share is not None and spec.branches:
        raise DescriptionError(f"{where}: share belongs to the layers inside its branches")
    return spec


def loss(data: Json, tables: Tables) -> LossSpec:
    """Parse the loss."""
    data = mapping("loss", data)
    refuse_unknown("loss", data, tuple(f.name for f in fields(LossSpec)))
    kind = one_of("loss kind", data.get("kind"), tables.losses)
    reduction = one_of("loss reduction", data.get("reduction", "mean_over_batch"), STATED)
    return LossSpec(
        kind, reduction, number("loss scale", data.get("scale", 1.0)),
        clip_of("loss clip", data.get("clip", 0.0), kind, tables),
        number("loss l2", data.get("l2", 0.0)),
        one_of("loss l2_on", data.get("l2_on", "weights"), PENALISED),
        one_of("loss l2_reduction", data.get("l2_reduction", "sum"), PENALTIES),
        not_zero("loss gradient_scale", data.get("gradient_scale", 1.0)),
        delta_of("loss delta", data.get("delta", 1.0), kind, tables),
        smoothing_of("loss smoothing", data.get("smoothing", 0.0), kind, tables))


def not_zero(what: str, value: Json) -> float:
    """A finite number other than 0; DescriptionError for anything else."""
    found = number(what, value)
    if not found:
        raise DescriptionError(f"{what}: received {value!r}, wanted a number other than 0")
    return found


def clip_of(what: str, value: Json, kind: str, tables: Tables = TABLES) -> float:
    """Where probabilities are clipped, 0 for nowhere.

    DescriptionError unless the loss is one of probabilities and the clip between 0 and 1/2.
    """
    clip = number(what, value)
    if not 0.0 <= clip < 0.5:
        raise DescriptionError(f"{what}: received {value!r}, wanted a number from 0 to below 1/2")
    if clip and tables.losses[kind].domain != UNIT:
        raise DescriptionError(f"{what}: {kind} is no loss of probabilities")
    return clip


def delta_of(what: str, value: Json, kind: str, tables: Tables = TABLES) -> float:
    """Where the loss turns from a square into a line; 1 for losses that do not.

    DescriptionError unless it is above 0, and for another loss with another number.
    """
    delta = number(what, value)
    if delta <= 0:
        raise DescriptionError(f"{what}: received {value!r}, wanted a number above 0")
    if delta != 1.0 and "delta" not in tables.losses[kind].options:
        raise DescriptionError(f"{what}: {kind} has no delta")
    return delta


def smoothing_of(what: str, value: Json, kind: str, tables: Tables = TABLES) -> float:
    """How much of the targets is given to all classes alike, 0 for nothing.

    DescriptionError unless it is from 0 to below 1 and the loss is one of classes.
    """
    smoothing = number(what, value)
    if not 0.0 <= smoothing < 1.0:
        raise DescriptionError(f"{what}: received {value!r}, wanted a number from 0 to below 1")
    if smoothing and "index" not in tables.losses[kind].targets:
        raise DescriptionError(f"{what}: {kind} is no loss of classes")
    return smoothing


def _input_shape(data: Json, least: int) -> tuple[int, ...]:
    """At least so many axes: one index for each example has none."""
    listed = isinstance(data, list | tuple) and least <= len(data) <= MOST_AXES
    if not listed or not all(map(size, data)):
        raise DescriptionError(f"network: input_shape is {data!r}, "
                               "wanted a list of positive integers such as [3]")
    return tuple(data)


def _input_kind(data: Json) -> Any:
    indexed = isinstance(data, Mapping) and list(data) == ["index"] and size(data["index"])
    if data != "real" and not indexed:
        raise DescriptionError(f"network: input_kind is {data!r}, "
                               "wanted \"real\" or {\"index\": V}")
    return data


# --- cases ----------------------------------------------------------------------------------------


def case(data: Json, tables: Tables = TABLES) -> Case:
    """Parse a case; DescriptionError names what is unknown, missing or of the wrong shape."""
    refuse_deep("case", data)
    data = mapping("case", data)
    refuse_unknown("case", data, ("format", "network", "dtype", "parameters", "constants", "inputs",
                                  "targets"))
    this_format("case", data)
    parsed = Case(
        network(data.get("network"), tables),
        _arrays("parameters", data.get("parameters")),
        array_from_json("inputs", data.get("inputs")),
        array_from_json("targets", data.get("targets")),
        one_of("case: dtype", data.get("dtype"), DTYPES),
        _arrays("constants", data.get("constants", {})),
    )
    _check(parsed, infer(parsed.network, tables), tables)
    return parsed


def _arrays(what: str, data: Json) -> dict[str, Any]:
    return {name: array_from_json(name, value) for name, value in mapping(what, data).items()}


def _check(case: Case, wanted: Shapes, tables: Tables) -> None:
    states, masks = _each(case, wanted.states), _each(case, wanted.masks)
    _check_shapes("parameters", case.parameters, {**wanted.parameters, **states})
    _check_shapes("constants", case.constants, {**wanted.constants, **masks})
    if case.inputs.ndim < 1 or case.inputs.shape[1:] != case.network.input_shape or not case.batch:
        raise DescriptionError(f"case: inputs of shape {case.inputs.shape}, "
                               f"wanted (batch, *{case.network.input_shape})")
    kinds = tables.losses[case.network.loss.kind].targets
    indexed = case.targets.dtype == "int64" and "index" in kinds
    shape = (case.batch, *(wanted.output[:-1] if indexed else wanted.output))
    if case.targets.shape != shape:
        raise DescriptionError(f"case: targets of shape {case.targets.shape}, wanted {shape}")
    below = {} if case.network.real else {"inputs": case.network.input_kind["index"]}
    below |= {"targets": wanted.output[-1]} if indexed else {}
    for name, array in {**case.parameters, "inputs": case.inputs, "targets": case.targets}.items():
        _check_numbers(name, array, case.dtype, below.get(name))


def _each(case: Case, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Arrays with one entry for each example."""
    return {name: (case.batch, *shape) for name, shape in shapes.items()}


def _check_shapes(what: str, arrays: Mapping[str, Any], wanted: Mapping[str, Shape]) -> None:
    shapes = {k: v.shape for k, v in arrays.items()}
    if shapes != dict(wanted):
        raise DescriptionError(f"case: {what} of shapes {shapes}, "
                               f"but the network wants {dict(wanted)}")


def _check_numbers(name: str, array: Any, dtype: str, below: int | None) -> None:
    """Real numbers have the case's dtype, indices are integers from 0 to under `below`."""
    wanted = dtype if below is None else "int64"
    if array.dtype != wanted:
        raise DescriptionError(f"case: {name} has dtype {array.dtype}, wanted {wanted}")
    if below is not None and not ((array >= 0) & (array < below)).all():
        raise DescriptionError(f"case: {name} must be integers from 0 to below {below}")
