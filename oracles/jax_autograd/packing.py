"""Cases of different chains in the arrays of one padded program, and its answers taken out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...reference.case import Answer, Case
from ...reference.network import COTANGENT, WEIGHTED, LayerSpec, LossSpec, Network
from .. import Unsupported
from .chains import FUNCTIONS, LOSS_FUNCTIONS, WITH_OPTION, Levels, Loss, Trained
from .losses import REDUCTIONS

Array = Any
Packed = tuple[Trained, Levels, Loss]
OF_CLASSES = ("cross_entropy", "softmax_cross_entropy", "kl_divergence")  # summed over the units


class Size(NamedTuple):
    """How much there is room for: levels, units, rows, and how many cases in one call."""

    levels: int
    units: int
    rows: int
    cases: int

    def holds(self, levels: int, units: int, rows: int) -> bool:
        return levels <= self.levels and units <= self.units and rows <= self.rows


# Of the chains that are drawn 57 % fit the first, 83 % the second, and all of them the last.
SIZES = (Size(12, 8, 8, 64), Size(24, 17, 34, 64), Size(24, 33, 128, 16))


class Step(NamedTuple):
    """A level: the name of its dense layer (None for a function alone), its function and number."""

    name: str | None
    function: str = "identity"
    option: float = 0.0


class Chain(NamedTuple):
    """A case as it is packed: its levels, inputs (rows, features), and units after every level."""

    case: Case
    steps: tuple[Step, ...]
    inputs: Array
    units: list[int]
    size: Size


# --- what can be packed ---------------------------------------------------------------------------


def chain_of(case: Case) -> Chain:
    """The case as a chain, and the smallest size that holds it; raises Unsupported for others."""
    steps = steps_of(case.network)
    used = {f"{step.name}.{local}" for step in steps if step.name for local in ("weight", "bias")}
    if not used.issuperset(case.parameters) or any(name != COTANGENT for name in case.constants):
        raise Unsupported("jax: constants, and parameters of no layer, are not padded")
    inputs = case.inputs.reshape(-1, case.inputs.shape[-1])
    units = [inputs.shape[1]]
    for step in steps:
        units.append(case.parameters[f"{step.name}.weight"].shape[1] if step.name else units[-1])
    for size in SIZES:
        if size.holds(len(steps), max(units), len(inputs)):
            return Chain(case, steps, inputs, units, size)
    raise Unsupported("jax: larger than any padded program")


@lru_cache(maxsize=1024)
def steps_of(network: Network) -> tuple[Step, ...]:
    """The levels of the network; logits of a loss become logarithms of probabilities in one."""
    if (not network.real or network.loss.kind not in LOSS_FUNCTIONS
            or network.loss.reduction not in REDUCTIONS):
        raise Unsupported("jax: indices, and losses that are unknown, are not padded")
    steps = [_step(str(i), spec) for i, spec in enumerate(network.layers)]
    if network.loss.kind == "softmax_cross_entropy":
        steps.append(Step(None, "log_softmax"))
    return _joined(steps)


def _step(name: str, spec: LayerSpec) -> Step:
    options = dict(spec.options)
    if spec.kind == "dense" and spec.share is None and type(options["bias"]) is bool:
        return Step(name)
    function = options.pop("function", None)
    if (spec.kind == "activation" and function in FUNCTIONS
            and len(options) == (function in WITH_OPTION)):
        return Step(None, function, *map(float, options.values()))
    raise Unsupported(f"jax: {spec.kind} with {dict(spec.options)} is not padded")


def _joined(steps: Iterable[Step]) -> tuple[Step, ...]:
    """A function behind a layer that has none is that layer's."""
    joined: list[Step] = []
    for step in steps:
        if joined and step.name is None and joined[-1].function == "identity":
            joined[-1] = step._replace(name=joined[-1].name)
        else:
            joined.append(step)
    return tuple(joined)


# --- packed ---------------------------------------------------------------------------------------


def packed(chains: Sequence[Chain], size: Size, dtype: str) -> Packed:
    """The arrays of chains of one size; those of no case have no level and no weight."""
    K, L, M, R, _ = (size.cases, *size)  # noqa: N806
    zeros = np.zeros
    trained = Trained(zeros((K, R, M), dtype), zeros((K, L, M, M), dtype), zeros((K, L, M), dtype))
    levels = Levels(zeros((K, L), np.int32), zeros((K, L), dtype), zeros((K, L, M), bool),
                    zeros((K, L), bool), zeros((K, L), bool))
    loss = Loss(zeros(K, np.int32), np.ones(K, dtype), zeros(K, dtype), zeros((K, R, M), dtype),
                zeros((K, R, M), dtype), zeros((K, L, 2), dtype))
    for k, chain in enumerate(chains):
        _put_inputs(trained.x[k], chain)
        for at in range(len(chain.steps)):
            _put_level(trained, levels, k, at, chain)
        _put_loss(loss, k, chain)
    return trained, levels, loss


def _put_inputs(x: Array, chain: Chain) -> None:
    rows, features = chain.inputs.shape
    x[:rows, :features] = chain.inputs
    x[rows:] = x[0]


def _put_level(trained: Trained, levels: Levels, k: int, at: int, chain: Chain) -> None:
    step, n, m = chain.steps[at], chain.units[at], chain.units[at + 1]
    levels.function[k, at] = FUNCTIONS[step.function]
    levels.option[k, at] = step.option
    levels.live[k, at, :m] = True
    levels.there[k, at] = True
    if step.name is not None:
        levels.affine[k, at] = True
        trained.W[k, at, :n, :m] = chain.case.parameters[f"{step.name}.weight"]
        trained.b[k, at, :m] = chain.case.parameters.get(f"{step.name}.bias", 0.0)


def _put_loss(loss: Loss, k: int, chain: Chain) -> None:
    spec, rows, units = chain.case.network.loss, len(chain.inputs), chain.units[-1]
    loss.function[k], loss.delta[k], loss.clip[k] = LOSS_FUNCTIONS[spec.kind], spec.delta, spec.clip
    loss.t[k, :rows, :units] = _targets(chain.case, rows, units)
    loss.weights[k, :rows, :units] = _weights(chain.case, rows, units)
    for at, step in enumerate(chain.steps):
        if spec.l2 and step.name is not None:
            loss.l2[k, at] = [_penalty(spec, f"{step.name}.{local}", chain.case.batch)
                              for local in ("weight", "bias")]


def _targets(case: Case, rows: int, units: int) -> Array:
    """The targets as values (rows, units), smoothed."""
    t, e = case.targets, case.network.loss.smoothing
    t = np.eye(units)[t.reshape(-1)] if t.ndim < case.inputs.ndim else t.reshape(rows, units)
    return t + e * (1 / units - t) if e else t


def _weights(case: Case, rows: int, units: int) -> Array:
    """By how much every entry counts: the scale, times or over what the reduction says."""
    spec, columns = case.network.loss, 1 if case.network.loss.kind in OF_CLASSES else units
    if spec.reduction == WEIGHTED:
        return spec.scale * case.constants[COTANGENT].reshape(rows, columns)
    over = {"sum": 1, "mean_over_batch": case.batch, "mean": rows * columns}[spec.reduction]
    return spec.scale / over


def _penalty(spec: LossSpec, name: str, examples: int) -> float:
    over = 2 * (examples if spec.l2_reduction == "mean_over_batch" else 1)
    return spec.l2 / over if spec.penalises(name) else 0.0


# --- taken out ------------------------------------------------------------------------------------


def answer_of(chain: Chain, loss: Array, trained: Trained) -> Answer:
    """The answer to a chain's case, of the gradients in the padded arrays of that case."""
    rows, features = chain.inputs.shape
    taken = {"inputs": trained.x[:rows, :features].reshape(chain.case.inputs.shape)}
    for at, step in enumerate(chain.steps):
        n, m = chain.units[at], chain.units[at + 1]
        taken |= {f"{step.name}.weight": trained.W[at, :n, :m], f"{step.name}.bias":
                  trained.b[at, :m]}
    scale = np.asarray(chain.case.network.loss.gradient_scale, loss.dtype)
    return Answer(loss, {name: np.array(taken[name]) * scale
                         for name in (*chain.case.parameters, "inputs")})
