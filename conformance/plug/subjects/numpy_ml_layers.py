"""numpy-ml: layers with backward passes written by hand, and their `forward` and `backward`.

Images have their channels last there. A layer's gradients are added up until they are flushed, so
every layer is made anew. A cell takes one step; `RNN` and `LSTM`, which should loop over the steps,
cannot be made (numpy-ml 0.1.2: their `gradients` is a property, which the base class sets).

Not claimed, since its way back is wrong there: the maximum of a pool with padding, which is looked
up in the image without padding; attention of several heads as one more axis, where
`Softmax.backward` takes a matrix for one vector. `import numpy_ml` wants
`collections.Hashable`, which Python 3.10 took away: it is there while the package is imported, and
gone after.
"""

from __future__ import annotations

import collections
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...properties.claims import Head
from ...reference import LayerSpec, Network
from ..implementing import implementation
from ..subject import Subject, subject_of

Array = Any
Gradients = dict[str, Array]
# The forward pass of a layer: (description, its parameters, x) -> y and the way back, which takes
# dy to dx and the gradients.
Back = Callable[[Array], tuple[Array, Gradients]]
Row = Callable[[LayerSpec, Mapping[str, Array], Array], tuple[Array, Back]]


def imported() -> tuple[Any, Any, Any]:
    """The layers, activations and losses of numpy-ml."""
    there = hasattr(collections, "Hashable")
    if not there:
        collections.Hashable = Hashable  # type: ignore[attr-defined]
    try:
        with warnings.catch_warnings():  # of packages that nothing here needs
            warnings.simplefilter("ignore")
            from numpy_ml.neural_nets import activations, layers, losses
    finally:
        if not there:
            del collections.Hashable  # type: ignore[attr-defined]
    return layers, activations, losses


layers, activations, losses = imported()


@contextmanager
def not_drawn() -> Iterator[None]:
    """A layer draws its weights, which are replaced: the random numbers go on as before."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)


def given(layer: Any, sizes: Mapping[str, int], arrays: Mapping[str, Array]) -> Any:
    """The layer with these sizes, as its first call would find them, and these parameters."""
    for name, value in sizes.items():
        setattr(layer, name, value)
    with not_drawn():
        layer._init_params()
    layer.parameters.update({name: np.array(array) for name, array in arrays.items()})
    for name, array in arrays.items():
        layer.gradients[name] = np.zeros_like(array)
    return layer


# --- functions ------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "identity": activations.Identity, "sigmoid": activations.Sigmoid,
    "tanh": activations.Tanh, "relu": activations.ReLU,
    "leaky_relu": lambda slope: activations.LeakyReLU(slope),
    "elu": lambda alpha: activations.ELU(alpha), "selu": activations.SELU,
    "softplus": activations.SoftPlus, "hard_sigmoid": lambda slope: activations.HardSigmoid(),
}


def activation(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    options = dict(spec.options)
    if options["function"] == "softmax":
        layer = layers.Softmax()
        return layer.forward(x), lambda dy: (layer.backward(dy), {})
    f = ACTIVATIONS[options.pop("function")](**options)
    return f(x), lambda dy: (dy * f.grad(x), {})


def flatten(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    layer = layers.Flatten()
    return layer.forward(x), lambda dy: (layer.backward(dy), {})


# --- layers of vectors ----------------------------------------------------------------------------


def of_rows(layer: Any, names: Mapping[str, str], x: Array) -> tuple[Array, Back]:
    """A layer of (examples, features), of the vectors of all steps; names: theirs to ours."""
    y = layer.forward(x.reshape(-1, x.shape[-1]))

    def back(dy: Array) -> tuple[Array, Gradients]:
        dx = layer.backward(dy.reshape(-1, dy.shape[-1]))
        return dx.reshape(x.shape), {
            ours: layer.gradients[theirs].reshape(p[ours].shape) for theirs, ours in names.items()}

    p = {ours: layer.parameters[theirs] for theirs, ours in names.items()}
    p = {ours: array.reshape(-1) if ours != "weight" else array for ours, array in p.items()}
    return y.reshape(*x.shape[:-1], y.shape[-1]), back


def fully_connected(weight: Array, bias: Array) -> Any:
    return given(layers.FullyConnected(weight.shape[1]), {"n_in": len(weight)},
                 {"W": weight, "b": bias[None]})


def dense(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    return of_rows(fully_connected(p["weight"], p["bias"]), {"W": "weight", "b": "bias"}, x)


def embedding(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    rows, units = p["weight"].shape
    layer = given(layers.Embedding(units, rows), {}, {"W": p["weight"]})

    def back(dy: Array) -> tuple[Array, Gradients]:
        layer.backward(dy)
        return None, {"weight": layer.gradients["W"]}

    return layer.forward(x), back


NORM = {"scaler": "scale", "intercept": "bias"}


def norm(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    made = {"layer_norm": layers.LayerNorm1D, "batch_norm": layers.BatchNorm1D}
    if spec.kind == "batch_norm" and x.ndim == 4:
        made = {"batch_norm": layers.BatchNorm2D}
    n = len(p["scale"])
    sizes = {"in_ch": n, "out_ch": n} if x.ndim == 4 else {"n_in": n, "n_out": n}
    layer = given(made[spec.kind](epsilon=spec.options["epsilon"]), sizes,
                  {theirs: p[ours] for theirs, ours in NORM.items()})
    if x.ndim == 4:
        return of_images(layer, NORM, p, x)
    return of_rows(layer, NORM, x)


# --- layers of images -----------------------------------------------------------------------------


def last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1)


def first(x: Array) -> Array:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def of_images(layer: Any, names: Mapping[str, str], p: Mapping[str, Array],
              x: Array) -> tuple[Array, Back]:
    def back(dy: Array) -> tuple[Array, Gradients]:
        dx = layer.backward(last(dy))
        found = {ours: layer.gradients[theirs] for theirs, ours in names.items()}
        return first(dx), {ours: kernel_of(d) if ours == "weight" else d.reshape(p[ours].shape)
                           for ours, d in found.items()}

    return first(layer.forward(last(x))), back


def kernel_of(weight: Array) -> Array:
    """(*window, channels, filters) and (filters, channels, *window)."""
    return np.moveaxis(weight, (-1, -2), (0, 1))


def conv(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    o, weight = spec.options, p["weight"]
    pads = tuple(each for each in o["padding"] for _ in range(2))
    window = tuple(o["window"])
    plain = {"pad": pads, "stride": o["stride"][0], "dilation": o["dilation"][0] - 1}
    layer = (layers.Conv2D(o["filters"], window, **plain) if spec.kind == "conv2d"
             else layers.Conv1D(o["filters"], window[0], **plain))
    bias = p["bias"].reshape(*[1] * (weight.ndim - 1), -1)
    given(layer, {"in_ch": x.shape[1]}, {"W": np.moveaxis(weight, (0, 1), (-1, -2)), "b": bias})
    return of_images(layer, {"W": "weight", "b": "bias"}, p, x)


def pool(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    o = spec.options
    mode = {"max": "max", "mean": "average"}[o["function"]]
    layer = layers.Pool2D(tuple(o["window"]), o["stride"][0], tuple(o["padding"]), mode)
    return of_images(layer, {}, p, x)


# --- sequences ------------------------------------------------------------------------------------


def over_steps(spec: LayerSpec, cell: Any, x: Array) -> tuple[Array, Callable[[Array], Array]]:
    """The cell forward over the steps, and back over them."""
    steps = [cell.forward(x[:, t]) for t in range(x.shape[1])]
    steps = [each[0] if isinstance(each, tuple) else each for each in steps]

    def back(dy: Array) -> Array:
        if spec.options["returns"] == "last":
            dy = np.stack([np.zeros_like(dy)] * (len(steps) - 1) + [dy], axis=1)
        return np.stack([cell.backward(dy[:, t]) for t in reversed(range(len(steps)))][::-1], 1)

    return steps[-1] if spec.options["returns"] == "last" else np.stack(steps, axis=1), back


def rnn(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    """With a bias beside each of both matrices."""
    names = {"Wax": "weight", "Waa": "recurrent_weight", "bx": "bias", "ba": "recurrent_bias"}
    function = {"tanh": "Tanh", "relu": "ReLU", "sigmoid": "Sigmoid"}[spec.options["function"]]
    cell = given(layers.RNNCell(spec.options["units"], function), {"n_in": x.shape[-1]}, {
        theirs: p[ours][:, None] if theirs[0] == "b" else p[ours]
        for theirs, ours in names.items()})
    y, through = over_steps(spec, cell, x)

    def back(dy: Array) -> tuple[Array, Gradients]:
        dx = through(dy)
        return dx, {ours: cell.gradients[theirs].reshape(p[ours].shape)
                    for theirs, ours in names.items()}

    return y, back


def lstm(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    """Its gates u, f, c, o are i, f, g, o; a matrix each, of the state and the input joined."""
    m = spec.options["units"]
    both = np.split(np.concatenate([p["recurrent_weight"], p["weight"]]), 4, axis=1)
    arrays = {f"W{gate}": W for gate, W in zip("ufco", both, strict=True)}
    arrays |= {f"b{gate}": b[None] for gate, b in
               zip("ufco", np.split(p["bias"], 4), strict=True)}
    cell = given(layers.LSTMCell(m), {"n_in": x.shape[-1]}, arrays)
    y, through = over_steps(spec, cell, x)

    def back(dy: Array) -> tuple[Array, Gradients]:
        dx = through(dy)
        both = np.concatenate([cell.gradients[f"W{gate}"] for gate in "ufco"], axis=1)
        bias = np.concatenate([cell.gradients[f"b{gate}"][0] for gate in "ufco"])
        return dx, {"weight": both[m:], "recurrent_weight": both[:m], "bias": bias}

    return y, back


def attention(spec: LayerSpec, p: Mapping[str, Array], x: Array) -> tuple[Array, Back]:
    """DotProductAttention between fully connected layers."""
    def part(name: str, x: Array) -> tuple[Array, Back]:
        found = fully_connected(p[f"{name}_weight"], p[f"{name}_bias"])
        return of_rows(found, {"W": "weight", "b": "bias"}, x)

    heads = spec.options["heads"]

    def apart(x: Array) -> Array:
        return x if heads == 1 else x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)

    def joined(x: Array) -> Array:
        return x if heads == 1 else x.swapaxes(1, 2).reshape(len(x), x.shape[2], -1)

    projected = {name: part(name, x) for name in ("query", "key", "value")}
    layer = layers.DotProductAttention()
    y, last_back = part("output", joined(layer.forward(*(
        apart(each) for each, _ in projected.values()))))

    def back(dy: Array) -> tuple[Array, Gradients]:
        dy, found = last_back(dy)
        gradients = {f"output_{name}": d for name, d in found.items()}
        dx = np.zeros_like(x)
        for name, d in zip(projected, layer.backward(apart(dy)), strict=True):
            more, found = projected[name][1](joined(d))
            dx = dx + more
            gradients |= {f"{name}_{local}": d for local, d in found.items()}
        return dx, gradients

    return y, back


LAYERS: dict[str, Row] = {
    "activation": activation, "flatten": flatten, "dense": dense, "embedding": embedding,
    "layer_norm": norm, "batch_norm": norm, "conv1d": conv, "conv2d": conv, "pool2d": pool,
    "rnn": rnn, "lstm": lstm, "attention": attention,
}
STEPS = {"reverse": False, "initial_state": False, "mask": False, "bias": True}
CONV = {"groups": 1, "bias": "channel"}
ON = {"epsilon_on": "variance"}
CLAIMED: list[str | dict[str, Any]] = [
    "activation_first", "activations_in_a_row", "dense", "sequence", "stacked_recurrent", "flatten",
    {"kind": "embedding", "padding_index": [None]},
    {"kind": "layer_norm", "axes": 1, **ON},
    {"kind": "batch_norm", "training": True, **ON},
    {"kind": "conv1d", **CONV},
    {"kind": "conv2d", "stride": [[1, 1], [2, 2]], "dilation": [[1, 1], [2, 2]], **CONV},
    {"kind": "pool2d", "stride": [[1, 1], [2, 2]], "padding": [0, 0], "ceil": False},
    {"kind": "rnn", "recurrent_bias": True, **STEPS},
    {"kind": "lstm", "recurrent_bias": False, "peephole": False, "coupled": False,
     "initial_cell": False, **STEPS},
    {"kind": "attention", "heads": 1, "key_heads": [None], "bias": True, "causal": False,
     "mask": False, "rotary": "none", "softcap": [None]},
]
SQUARED: dict[str, Any] = {"reduction": "sum", "scale": 0.5}
HEADS = [*(Head(name, "squared_error", **SQUARED) for name in ("identity", "tanh", "softmax")),
         Head("softmax", "cross_entropy", reduction="sum", targets="one_hot", outputs=(2, None),
              log_floor="eps")]
HIDDEN: list[Any] = [name for name in ACTIVATIONS if name != "hard_sigmoid"]


def loss_of(network: Network, y: Array, t: Array) -> tuple[Array, Array, int]:
    """The loss, its gradient, and how many layers that is past: cross entropy's is of logits."""
    if network.loss.kind == "cross_entropy":
        loss, rows = losses.CrossEntropy(), y.reshape(-1, y.shape[-1])
        t = t.reshape(rows.shape)
        return loss(t, rows), loss.grad(t, rows).reshape(y.shape), 1
    loss = losses.SquaredError()
    return loss(t, y), loss.grad(t, y, y, activations.Identity()), 0


@implementation(hidden=[*HIDDEN, {"function": "hard_sigmoid", "slope": 0.2}], heads=HEADS,
                dtypes=("float64",), layers=CLAIMED)
def backprop(network: Network, parameters: dict[str, Array], inputs: Array,
             targets: Array) -> tuple[Any, Any]:
    tape, x = [], inputs
    gradients: dict[str, Array] = {}
    with np.errstate(over="ignore"):
        for i, spec in enumerate(network.layers):
            own = {name.partition(".")[2]: value for name, value in parameters.items()
                   if name.startswith(f"{i}.")}
            x, back = LAYERS[spec.kind](spec, own, x)
            tape.append((i, back))
        loss, dx, less = loss_of(network, x, targets)
        for i, back in reversed(tape[:len(tape) - less]):
            dx, found = back(dx)
            gradients |= {f"{i}.{name}": d for name, d in found.items()}
    return loss, {**gradients, **({"inputs": dx} if network.real else {})}


def subject() -> Subject:
    return subject_of(backprop, "numpy-ml", stateless=True)
