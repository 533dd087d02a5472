"""Five backpropagations as other people write them, with a hook at every line where a mistake can be planted.

None shares code with the reference, nor with another of them but for reading the network and the hooks. Each has its
own shapes, its own order of work, its own forms of the activations, and its own idea of what is answered: only `tape`
gives the gradient of the inputs. Where a sigmoid saturates, its slope is exactly 0 here, and not 1e-290.

A hook is `lines(name, right, **arrays)`: it gives back what the line gives, right or wrong. The names:

    f, df     an activation: a = f(z); dz from (z, a, da)
    loss, dp  the loss reported; dL/dp at the output
    dW, db, dx  the three lines of a layer: x (N, inputs), delta (N, units), W (inputs, units), b (units,), all as rows
    end       the gradients by name, as they are handed out

    subject = program("columns", lines)          # lines: what `Lines` is, or None for the right program
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from backproof import Head, implementation

Array = Any
SLOPE = 0.01


class Lines:
    """The right program: every line gives what it should. A mistake overrides `wrong`."""

    def __init__(self) -> None:
        self.calls, self.net = 0, SimpleNamespace()

    def begin(self, net: SimpleNamespace) -> None:
        """A new call with its network: what every line may look at."""
        self.calls += 1
        self.net = net
        net.call = self.calls

    def __call__(self, name: str, right: Any, **arrays: Any) -> Any:
        return self.wrong(name, right, SimpleNamespace(**arrays))

    def wrong(self, name: str, right: Any, here: SimpleNamespace) -> Any:
        return right


class Dense(SimpleNamespace):
    """A layer of the network as it was asked: its number, its widths, its function."""


def read(network: Any, parameters: Any, inputs: Array, targets: Array) -> SimpleNamespace:
    """The network as a chain of layers with their arrays; targets as values."""
    data = network.to_json()
    layers: list[Dense] = []
    for i, spec in enumerate(data["layers"]):
        if spec["kind"] == "dense":
            layers.append(Dense(at=len(layers), name=str(i), units=spec["units"], W=parameters[f"{i}.weight"],
                                b=parameters.get(f"{i}.bias"), function="identity", slope=SLOPE))
        else:
            layers[-1].function, layers[-1].slope = spec["function"], spec.get("slope", SLOPE)
    t = np.eye(layers[-1].units)[targets].astype(inputs.dtype) if targets.ndim == 1 else targets
    loss = data["loss"]
    return SimpleNamespace(layers=layers, depth=len(layers), batch=len(inputs), x=inputs, t=t, kind=loss["kind"],
                           reduction=loss["reduction"], scale=loss["scale"], dtype=inputs.dtype.name)


def share(net: SimpleNamespace) -> float:
    """What the sum over examples and outputs is multiplied by."""
    per_example = net.reduction == "mean_over_batch" or net.kind.endswith("softmax_cross_entropy")
    count = 1 if net.reduction == "sum" else net.batch if per_example else net.t.size
    return net.scale / count


# --- layers that are classes, one class for each function -----------------------------------------------------------


class Linear:
    def __init__(self, lines: Lines, layer: Dense):
        self.lines, self.layer, self.W, self.b = lines, layer, layer.W, layer.b

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W if self.b is None else x @ self.W + self.b

    def backward(self, grad: Array) -> Array:
        here = {"at": self.layer.at, "x": self.x, "delta": grad, "W": self.W, "b": self.b}
        self.dW = self.lines("dW", self.x.T @ grad, **here)
        if self.b is not None:
            self.db = self.lines("db", grad.sum(axis=0), **here)
        return self.lines("dx", grad @ self.W.T, **here) if self.layer.at else None


class Function:
    """An activation; f and df are what a class of its own gives."""

    def __init__(self, lines: Lines, layer: Dense):
        self.lines, self.layer = lines, layer

    def forward(self, z: Array) -> Array:
        self.z = z
        self.a = self.lines("f", self.f(z), at=self.layer.at, z=z)
        return self.a

    def backward(self, grad: Array) -> Array:
        return self.lines("df", grad * self.df(), at=self.layer.at, z=self.z, a=self.a, da=grad)

    def f(self, z: Array) -> Array:
        raise NotImplementedError

    def df(self) -> Array:
        raise NotImplementedError


class Identity(Function):
    def f(self, z: Array) -> Array:
        return z

    def df(self) -> Array:
        return np.ones_like(self.z)


class Tanh(Function):
    def f(self, z: Array) -> Array:
        return np.tanh(z)

    def df(self) -> Array:
        return 1 - self.a**2


class Sigmoid(Function):
    def f(self, z: Array) -> Array:
        return 1 / (1 + np.exp(-z))

    def df(self) -> Array:
        return self.a * (1 - self.a)


class Relu(Function):
    def f(self, z: Array) -> Array:
        return np.maximum(z, 0)

    def df(self) -> Array:
        return (self.z > 0).astype(self.z.dtype)


class LeakyRelu(Function):
    def f(self, z: Array) -> Array:
        return np.where(z > 0, z, self.layer.slope * z)

    def df(self) -> Array:
        return np.where(self.z > 0, 1.0, self.layer.slope).astype(self.z.dtype)


class Softplus(Function):
    def f(self, z: Array) -> Array:
        return np.logaddexp(np.zeros_like(z), z)

    def df(self) -> Array:
        return 1 / (1 + np.exp(-self.z))


CLASSES: dict[str, type[Function]] = {"identity": Identity, "tanh": Tanh, "sigmoid": Sigmoid, "relu": Relu,
                                      "leaky_relu": LeakyRelu, "softplus": Softplus}


def squared(p: Array, t: Array) -> tuple[Array, Array]:
    """The loss of every example and dL/dp."""
    return ((p - t) ** 2).sum(axis=1), 2 * (p - t)


def softmax_loss(z: Array, t: Array) -> tuple[Array, Array]:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    total = e.sum(axis=1, keepdims=True)
    log_p = z - z.max(axis=1, keepdims=True) - np.log(total)
    return -(t * log_p).sum(axis=1), e / total - t


def logistic_loss(z: Array, t: Array) -> tuple[Array, Array]:
    return (np.logaddexp(np.zeros_like(z), z) - t * z).sum(axis=1), 1 / (1 + np.exp(-z)) - t


LOSSES: dict[str, Callable[[Array, Array], tuple[Array, Array]]] = {
    "squared_error": squared, "softmax_cross_entropy": softmax_loss, "sigmoid_cross_entropy": logistic_loss}


def classes(lines: Lines, net: SimpleNamespace) -> tuple[Any, dict[str, Array]]:
    """A list of layer objects, forward and backward."""
    modules: list[Any] = []
    for layer in net.layers:
        modules += [Linear(lines, layer), CLASSES[layer.function](lines, layer)]
    out = net.x
    for module in modules:
        out = module.forward(out)
    each, grad = LOSSES[net.kind](out, net.t)
    loss = lines("loss", each.sum() * share(net), at=net.depth, p=out, t=net.t, each=each)
    grad = lines("dp", grad * np.asarray(share(net), grad.dtype), at=net.depth, p=out, t=net.t)
    for module in reversed(modules):
        grad = module.backward(grad)
    grads = {}
    for module in modules[::2]:
        grads[f"{module.layer.name}.weight"] = module.dW
        if module.b is not None:
            grads[f"{module.layer.name}.bias"] = module.db
    return loss, grads


# --- an example is a column, parameters and caches are dictionaries -------------------------------------------------


def columns(lines: Lines, net: SimpleNamespace) -> tuple[Any, dict[str, Array]]:
    """W1, b1, Z1, A1, ... in dictionaries, (units, examples), after a well-known course; the softmax is folded in."""
    P, cache, L, m = {}, {"A0": net.x.T}, net.depth, net.batch
    for number, layer in enumerate(net.layers, 1):
        P[f"W{number}"] = layer.W.T
        P[f"b{number}"] = None if layer.b is None else layer.b.reshape(-1, 1)
        Z = P[f"W{number}"] @ cache[f"A{number - 1}"]
        cache[f"Z{number}"] = Z if layer.b is None else Z + P[f"b{number}"]
        A = activate(layer, cache[f"Z{number}"])
        cache[f"A{number}"] = lines("f", A.T, at=layer.at, z=cache[f"Z{number}"].T).T
    AL, Y = cache[f"A{L}"], net.t.T
    folded = net.kind == "cross_entropy"
    if folded:
        Z = cache[f"Z{L}"]
        top = Z.max(axis=0)
        each = (Y * (top + np.log(np.exp(Z - top).sum(axis=0)) - Z)).sum(axis=0)
    else:
        each = np.sum((AL - Y) ** 2, axis=0) / 2
    loss = lines("loss", each.sum() / m, at=L, p=AL.T, t=net.t, each=each)
    dA = lines("dp", ((AL - Y) / m).T, at=L, p=AL.T, t=net.t).T
    grads = {}
    for number in range(L, 0, -1):
        layer = net.layers[number - 1]
        Z, A, below, W = cache[f"Z{number}"], cache[f"A{number}"], cache[f"A{number - 1}"], P[f"W{number}"]
        dZ = dA
        if not (folded and number == L):
            dZ = lines("df", differentiate(layer, dA, Z, A).T, at=layer.at, z=Z.T, a=A.T, da=dA.T).T
        here = {"at": layer.at, "x": below.T, "delta": dZ.T, "W": W.T, "b": layer.b}
        grads[f"{layer.name}.weight"] = lines("dW", np.dot(dZ, below.T).T, **here)
        if layer.b is not None:
            grads[f"{layer.name}.bias"] = lines("db", np.sum(dZ, axis=1, keepdims=True)[:, 0], **here)
        if number > 1:
            dA = lines("dx", np.dot(W.T, dZ).T, **here).T
    return loss, grads


def activate(layer: Dense, Z: Array) -> Array:
    """An if for every function; a column is an example."""
    if layer.function == "sigmoid":
        return 0.5 * (1 + np.tanh(Z / 2))
    if layer.function == "tanh":
        return np.tanh(Z)
    if layer.function == "relu":
        return Z * (Z > 0)
    if layer.function == "leaky_relu":
        return np.maximum(layer.slope * Z, Z)
    if layer.function == "silu":
        return Z / (1 + np.exp(-Z))
    if layer.function == "softmax":
        e = np.exp(Z - np.max(Z, axis=0))
        return e / np.sum(e, axis=0)
    return Z


def differentiate(layer: Dense, dA: Array, Z: Array, A: Array) -> Array:
    if layer.function == "sigmoid":
        return dA * A * (1 - A)
    if layer.function == "tanh":
        return dA * (1 - np.power(A, 2))
    if layer.function == "relu":
        dZ = np.array(dA, copy=True)
        dZ[Z <= 0] = 0
        return dZ
    if layer.function == "leaky_relu":
        dZ = np.array(dA, copy=True)
        dZ[Z < 0] *= layer.slope
        return dZ
    if layer.function == "silu":
        s = 1 / (1 + np.exp(-Z))
        return dA * (s + Z * s * (1 - s))
    return dA


# --- loops over the examples ----------------------------------------------------------------------------------------


def loops(lines: Lines, net: SimpleNamespace) -> tuple[Any, dict[str, Array]]:
    """One example at a time, forward and back; what is summed is kept per example and summed at the end."""
    kept = [SimpleNamespace(x=[], z=[], a=[]) for _ in net.layers]
    outputs = []
    for x in net.x:
        a = x
        for layer, seen in zip(net.layers, kept, strict=True):
            z = np.array([np.dot(a, layer.W[:, j]) for j in range(layer.units)], dtype=x.dtype)
            z = z if layer.b is None else z + layer.b
            seen.x.append(a)
            seen.z.append(z)
            a = lines("f", VALUE[layer.function](z)[None], at=layer.at, z=z[None])[0]
            seen.a.append(a)
        outputs.append(a)
    p = np.array(outputs)
    error = p - net.t
    each = np.array([float(np.dot(e, e)) for e in error])
    loss = lines("loss", each.sum() / (2 * net.batch), at=net.depth, p=p, t=net.t, each=each)
    back = lines("dp", error / net.batch, at=net.depth, p=p, t=net.t)
    grads = {}
    for layer, seen in reversed(list(zip(net.layers, kept, strict=True))):
        x, z, a = (np.array(each) for each in (seen.x, seen.z, seen.a))
        delta = np.array([back[n] * PRIME[layer.function](z[n], a[n]) for n in range(net.batch)])
        delta = lines("df", delta, at=layer.at, z=z, a=a, da=back)
        dW, db = np.zeros_like(layer.W), np.zeros(layer.units, x.dtype)
        for n in range(net.batch):
            dW += np.outer(x[n], delta[n])
            db += delta[n]
        here = {"at": layer.at, "x": x, "delta": delta, "W": layer.W, "b": layer.b}
        grads[f"{layer.name}.weight"] = lines("dW", dW, **here)
        if layer.b is not None:
            grads[f"{layer.name}.bias"] = lines("db", db, **here)
        if layer.at:
            below = np.array([[np.dot(layer.W[i], delta[n]) for i in range(len(layer.W))] for n in range(net.batch)])
            back = lines("dx", below, **here)
    return loss, grads


def bounded_sigmoid(z: Array) -> Array:
    """The sigmoid by the sign of z."""
    return np.array([1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v)) for v in z.tolist()])


def tanh_by_exponentials(z: Array) -> Array:
    e = np.exp(-2 * np.abs(z))
    return np.sign(z) * (1 - e) / (1 + e)


VALUE: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z, "sigmoid": bounded_sigmoid, "tanh": tanh_by_exponentials,
    "relu": lambda z: np.array([max(0.0, v) for v in z]), "softplus": lambda z: np.logaddexp(0.0, z)}
PRIME: dict[str, Callable[[Array, Array], Array]] = {
    "identity": lambda z, a: np.ones_like(z), "sigmoid": lambda z, a: a * (1.0 - a),
    "tanh": lambda z, a: (1.0 - a) * (1.0 + a), "relu": lambda z, a: np.array([1.0 if v > 0 else 0.0 for v in z]),
    "softplus": lambda z, a: 1.0 - np.exp(-a)}


# --- a flat vector of parameters, and functions -----------------------------------------------------------------------


def flat(lines: Lines, net: SimpleNamespace) -> tuple[Any, dict[str, Array]]:
    """All parameters in one vector theta, cut by offsets; the gradient is one vector too."""
    sizes = [(layer.W.shape, layer.b is not None) for layer in net.layers]
    ends = np.cumsum([0, *(rows * units + units * has for (rows, units), has in sizes)])
    theta = np.concatenate([np.concatenate([layer.W.ravel(), () if layer.b is None else layer.b])
                            for layer in net.layers]).astype(net.x.dtype)

    def cut(vector: Array, i: int) -> tuple[Array, Array | None]:
        (rows, units), has = sizes[i]
        part = vector[ends[i]:ends[i + 1]]
        return part[:rows * units].reshape(rows, units), part[rows * units:] if has else None

    tape = [net.x]
    for i, layer in enumerate(net.layers):
        W, b = cut(theta, i)
        z = np.einsum("ni,iu->nu", tape[-1], W) + (0 if b is None else b)
        tape += [z, lines("f", FUNCTIONS[layer.function][0](z, layer.slope), at=layer.at, z=z)]
    loss, bar = of_loss(lines, net, tape[-1])
    gradient = np.zeros_like(theta)
    for i in reversed(range(net.depth)):
        layer, (W, b), (x, z, a) = net.layers[i], cut(theta, i), tape[2 * i:2 * i + 3]
        bar = lines("df", bar * FUNCTIONS[layer.function][1](z, layer.slope), at=i, z=z, a=a, da=bar)
        here = {"at": i, "x": x, "delta": bar, "W": W, "b": b}
        part = [lines("dW", np.einsum("ni,nu->iu", x, bar), **here).ravel()]
        if b is not None:
            part.append(lines("db", np.einsum("nu->u", bar), **here))
        gradient[ends[i]:ends[i + 1]] = np.concatenate(part)
        bar = lines("dx", np.einsum("nu,iu->ni", bar, W), **here) if i else bar
    grads = {}
    for i, layer in enumerate(net.layers):
        W, b = cut(gradient, i)
        grads[f"{layer.name}.weight"] = W
        if b is not None:
            grads[f"{layer.name}.bias"] = b
    return loss, grads


def of_loss(lines: Lines, net: SimpleNamespace, p: Array) -> tuple[Any, Array]:
    k = share(net)
    if net.kind == "squared_error":
        each, bar = np.square(p - net.t).sum(axis=-1), 2 * k * (p - net.t)
    elif net.kind == "inner_product":
        each, bar = (p * net.t).sum(axis=-1), k * net.t
    else:
        each, bar = np.abs(p - net.t).sum(axis=-1), k * np.sign(p - net.t)
    loss = lines("loss", k * each.sum(), at=net.depth, p=p, t=net.t, each=each)
    return loss, lines("dp", bar.astype(p.dtype), at=net.depth, p=p, t=net.t)


def logistic(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


ROOT = math.sqrt(2 / math.pi)


def approximate_gelu(z: Array, slope: float) -> Array:
    return 0.5 * z * (1 + np.tanh(ROOT * (z + 0.044715 * z**3)))


def approximate_gelu_prime(z: Array, slope: float) -> Array:
    t = np.tanh(ROOT * (z + 0.044715 * z**3))
    return 0.5 * (1 + t) + 0.5 * z * (1 - t**2) * ROOT * (1 + 3 * 0.044715 * z**2)


FUNCTIONS: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "identity": (lambda z, slope: z, lambda z, slope: np.ones_like(z)),
    "sigmoid": (lambda z, slope: logistic(z), lambda z, slope: logistic(z) * logistic(-z)),
    "tanh": (lambda z, slope: np.tanh(z), lambda z, slope: 1 / np.cosh(np.clip(z, -80, 80)) ** 2),
    "relu": (lambda z, slope: (np.abs(z) + z) / 2, lambda z, slope: np.heaviside(z, 0)),
    "leaky_relu": (lambda z, slope: np.where(z < 0, slope, 1).astype(z.dtype) * z,
                   lambda z, slope: np.where(z < 0, slope, 1).astype(z.dtype)),
    "gelu_tanh": (approximate_gelu, approximate_gelu_prime),
}


# --- a tape of closures ------------------------------------------------------------------------------------------------


class Value:
    """An array, its gradient, and how to send it back: a small autograd."""

    def __init__(self, data: Array, back: Callable[[Array], None] | None = None, parents: tuple[Value, ...] = ()):
        self.data, self.grad, self.back, self.parents = data, np.zeros_like(data), back, parents

    def backward(self, start: Array) -> None:
        order: list[Value] = []
        visit(self, order, set())
        self.grad = start
        for value in reversed(order):
            if value.back is not None:
                value.back(value.grad)


def visit(value: Value, order: list[Value], seen: set[int]) -> None:
    if id(value) in seen:
        return
    seen.add(id(value))
    for parent in value.parents:
        visit(parent, order, seen)
    order.append(value)


def affine(lines: Lines, x: Value, W: Value, b: Value | None, at: int) -> Value:
    def back(g: Array) -> None:
        here = {"at": at, "x": x.data, "delta": g, "W": W.data, "b": b and b.data}
        W.grad = W.grad + lines("dW", np.tensordot(x.data, g, axes=(0, 0)), **here)
        if b is not None:
            b.grad = b.grad + lines("db", np.add.reduce(g, axis=0), **here)
        x.grad = x.grad + lines("dx", np.tensordot(g, W.data, axes=(1, 1)), **here)

    out = np.matmul(x.data, W.data)
    return Value(out if b is None else out + b.data, back, (x, W) if b is None else (x, W, b))


def apply(lines: Lines, layer: Dense, z: Value) -> Value:
    f, prime = TAPED[layer.function]
    a = lines("f", f(z.data), at=layer.at, z=z.data)

    def back(g: Array) -> None:
        z.grad = z.grad + lines("df", g * prime(z.data, a), at=layer.at, z=z.data, a=a, da=g)

    return Value(a, back, (z,))


TAPED: dict[str, tuple[Callable[[Array], Array], Callable[[Array, Array], Array]]] = {
    "identity": (lambda z: z, lambda z, a: np.ones_like(a)),
    "sigmoid": (lambda z: np.where(z > 0, 1, np.exp(-np.abs(z))) / (1 + np.exp(-np.abs(z))), lambda z, a: a - a * a),
    "tanh": (lambda z: 2 / (1 + np.exp(-2 * z)) - 1, lambda z, a: 1 - a * a),
    "relu": (lambda z: np.where(z < 0, 0, z), lambda z, a: np.where(a > 0, 1.0, 0.0)),
}


def tape(lines: Lines, net: SimpleNamespace) -> tuple[Any, dict[str, Array]]:
    """Closures on a tape; the gradient of the inputs comes with the others."""
    x = out = Value(net.x)
    made = []
    for layer in net.layers:
        W, b = Value(layer.W), None if layer.b is None else Value(layer.b)
        out = apply(lines, layer, affine(lines, out, W, b, layer.at))
        made.append((layer, W, b))
    difference = out.data - net.t
    each = (difference * difference).sum(axis=1)
    loss = lines("loss", each.sum(), at=net.depth, p=out.data, t=net.t, each=each)
    out.backward(lines("dp", difference + difference, at=net.depth, p=out.data, t=net.t))
    grads = {"inputs": x.grad}
    for layer, W, b in made:
        grads[f"{layer.name}.weight"] = W.grad
        if b is not None:
            grads[f"{layer.name}.bias"] = b.grad
    return loss, grads


# --- all of them --------------------------------------------------------------------------------------------------


def heads(*pairs: tuple[str, str], **reduction: Any) -> list[Head]:
    return [Head(activation, loss, **reduction) for activation, loss in pairs]


MEAN, HALF = {"reduction": "mean_over_batch"}, {"reduction": "mean_over_batch", "scale": 0.5}
BOTH = ("float64", "float32")
STYLES: dict[str, tuple[Callable[[Lines, SimpleNamespace], tuple[Any, dict[str, Array]]], dict[str, Any]]] = {
    "classes": (classes, {
        "hidden": ("tanh", "sigmoid", "relu", "leaky_relu", "softplus"), "bias": "any", "dtypes": BOTH,
        "heads": heads(("identity", "squared_error"), ("sigmoid", "squared_error"),
                       ("identity", "softmax_cross_entropy"), ("identity", "sigmoid_cross_entropy"), **MEAN)}),
    "columns": (columns, {
        "hidden": ("tanh", "sigmoid", "relu", "leaky_relu", "silu"), "bias": "always",
        "heads": [*heads(("softmax", "cross_entropy"), **MEAN),
                  *heads(("identity", "squared_error"), ("sigmoid", "squared_error"), **HALF)]}),
    "loops": (loops, {
        "hidden": ("sigmoid", "tanh", "relu", "softplus"), "bias": "always",
        "heads": heads(("identity", "squared_error"), ("sigmoid", "squared_error"), ("tanh", "squared_error"))}),
    "flat": (flat, {
        "hidden": ("tanh", "sigmoid", "relu", {"function": "leaky_relu", "slope": 0.2}, "gelu_tanh"), "bias": "any",
        "dtypes": BOTH,
        "heads": [*heads(("identity", "squared_error"), ("tanh", "squared_error"), reduction="mean"),
                  *heads(("identity", "absolute_error"), ("identity", "inner_product"), reduction="sum")]}),
    "tape": (tape, {
        "hidden": ("sigmoid", "tanh", "relu"), "bias": "any",
        "heads": heads(("identity", "squared_error"), ("sigmoid", "squared_error"), ("relu", "squared_error"),
                       reduction="sum")}),
}


def program(style: str, make: Callable[[], Lines] = Lines) -> Any:
    """A fresh program in one style, with its claims; `make` gives its hooks, which may remember its calls."""
    write, claims = STYLES[style]
    lines = make()

    @implementation(**claims)
    @functools.wraps(write)
    def backprop(network: Any, parameters: Any, inputs: Any, targets: Any) -> Any:
        with np.errstate(all="ignore"):
            net = read(network, parameters, inputs, targets)
            lines.begin(net)
            loss, grads = write(lines, net)
            grads = lines("end", grads, at=net.depth, parameters=parameters)
            return loss, {name: np.asarray(g).astype(net.dtype) for name, g in grads.items()}

    return backprop
