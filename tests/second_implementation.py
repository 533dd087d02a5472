"""A second backpropagation, by somebody else: it shares no code with the reference, and every known mistake fits in it.

Textbook style: a class, an example is a column, plain loops over the examples, one outer product per example. The
buffers are allocated once per shape, filled in place and handed out as views. Weights are (units, inputs), so every
array is transposed on its way in and out.

A planted fault replaces one method by a function of the fault's name (`bias_negated` is "bias-negated"):

    net = planted("bias-averaged-over-batch")       # planted() is the right one
    report = verify(net)
"""

import functools
import math

import numpy as np
from backproof.plug.implementing import implementation
from backproof.properties.claims import Head

# --- what it claims ----------------------------------------------------------------------------------------------

HIDDEN = ("identity", "tanh", "sigmoid", "relu", "leaky_relu", "softplus", "gelu", "gelu_tanh", "silu",
          {"function": "leaky_relu", "slope": 0.25})
HEADS = (
    ("identity", "squared_error"), ("sigmoid", "squared_error"), ("tanh", "squared_error"), ("relu", "squared_error"),
    ("leaky_relu", "squared_error"), ("softplus", "squared_error"), ("gelu", "squared_error"),
    ("gelu_tanh", "squared_error"), ("silu", "squared_error"), ("softmax", "squared_error"),
    ("identity", "absolute_error"), ("tanh", "absolute_error"),
    ("softmax", "cross_entropy"), ("sigmoid", "cross_entropy"), ("identity", "softmax_cross_entropy"),
    ("sigmoid", "binary_cross_entropy"), ("softmax", "binary_cross_entropy"), ("identity", "sigmoid_cross_entropy"),
    ("identity", "inner_product"), ("softmax", "inner_product"),
)
REDUCTIONS = (("sum", 1.0), ("mean_over_batch", 0.5), ("mean", 1.0), ("mean", 2.0))
CLAIMS = {
    "hidden": HIDDEN,
    "heads": [Head(activation, loss, reduction=reduction, scale=scale)
              for activation, loss in HEADS for reduction, scale in REDUCTIONS],
    "bias": "any",
    "dtypes": ("float64", "float32"),
}


# --- the network -------------------------------------------------------------------------------------------------

def column(array, n):
    """Example n: a column that can be written to."""
    return array[:, n:n + 1]


def sigmoid(z):
    """1 / (1 + e^-z), by the sign of z so that nothing overflows."""
    e = np.exp(-abs(z))
    return np.where(z < 0, e, np.ones_like(e)) / (e + 1)


def erf(z):
    """Entry by entry: NumPy has none."""
    return np.array([[math.erf(v) for v in row] for row in z.tolist()], dtype=z.dtype)


def tanh_argument(z):
    """The argument of the tanh in the approximate gelu."""
    return math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)


class Layer:
    """One dense layer with its activation, and the buffers of a whole batch. `below`: the layer's input is its y."""

    def __init__(self, name, below, spec, batch, dtype):
        def zeros(rows, columns):
            return np.zeros((rows, columns), dtype)

        self.name, self.has_bias = name, spec["bias"]
        self.function, self.leak = "identity", 0.0
        self.inputs, self.units = len(below.y), spec["units"]
        self.W, self.b = zeros(self.units, self.inputs), zeros(self.units, 1)
        self.dW, self.db = zeros(self.units, self.inputs), zeros(self.units, 1)
        self.x, self.x_error = below.y, below.error
        self.z, self.y = zeros(self.units, batch), zeros(self.units, batch)
        self.error, self.delta = zeros(self.units, batch), zeros(self.units, batch)


class Inputs:
    """What the first layer stands on: the examples as columns, and dL/dx."""

    def __init__(self, width, batch, dtype):
        self.y, self.error = np.zeros((width, batch), dtype), np.zeros((width, batch), dtype)


class Net:
    """A chain of dense layers: call it with (network, parameters, inputs, targets) for (loss, gradients)."""

    def __init__(self):
        self.made = {}
        self.memory = {}

    def __call__(self, network, parameters, inputs, targets):
        return self.backprop(network, parameters, inputs, targets)

    def backprop(self, network, parameters, inputs, targets):
        self.read(network.to_json(), parameters, inputs, targets)
        self.forward()
        self.backward()
        return self.loss(), self.answer()

    # --- buffers ------------------------------------------------------------------------------------------------

    def read(self, description, parameters, inputs, targets):
        """Find or make the buffers of this shape, and fill them."""
        self.dtype, self.batch = inputs.dtype, len(inputs)
        self.kind = description["loss"]["kind"]
        self.reduction, self.scale = description["loss"]["reduction"], description["loss"]["scale"]
        key = (str(description["layers"]), inputs.shape, str(self.dtype))
        if key not in self.made:
            self.made[key] = self.make(description["layers"], inputs.shape[1])
        self.key, (self.bottom, self.layers, self.t) = key, self.made[key]
        self.bottom.y[:] = inputs.T
        for layer in self.layers:
            layer.W[:] = parameters[f"{layer.name}.weight"].T
            if layer.has_bias:
                layer.b[:, 0] = parameters[f"{layer.name}.bias"]
        self.read_targets(targets)

    def read_targets(self, targets):
        if targets.ndim == 1:
            self.t[:] = 0
            for n in range(self.batch):
                self.t[targets[n], n] = 1
        else:
            self.t[:] = targets.T

    def make(self, specs, width):
        """The buffers of a network, allocated once."""
        bottom = Inputs(width, self.batch, self.width())
        layers = []
        for i, spec in enumerate(specs):
            if spec["kind"] == "dense":
                layers.append(Layer(str(i), layers[-1] if layers else bottom, spec, self.batch, self.width()))
            else:
                layers[-1].function, layers[-1].leak = spec["function"], spec.get("slope", 0.0)
        return bottom, layers, np.zeros((layers[-1].units, self.batch), self.width())

    def width(self):
        """The number type of the buffers."""
        return self.dtype

    # --- forward ------------------------------------------------------------------------------------------------

    def forward(self):
        for layer in self.layers:
            for n in range(self.batch):
                column(layer.z, n)[:] = self.affine(layer, n)
                column(layer.y, n)[:] = self.value(layer, column(layer.z, n))

    def affine(self, layer, n):
        return layer.W @ column(layer.x, n) + layer.b

    def value(self, layer, z):
        """f(z)."""
        values = {
            "identity": lambda: z,
            "tanh": lambda: np.tanh(z),
            "sigmoid": lambda: sigmoid(z),
            "relu": lambda: np.maximum(z, 0),
            "leaky_relu": lambda: np.maximum(z, layer.leak * z),
            "softplus": lambda: np.maximum(z, 0) + np.log1p(np.exp(-abs(z))),
            "gelu": lambda: z * (1 + erf(z / math.sqrt(2))) / 2,
            "gelu_tanh": lambda: z * (1 + np.tanh(tanh_argument(z))) / 2,
            "silu": lambda: z * sigmoid(z),
            "softmax": lambda: self.softmax(z),
        }
        return values[layer.function]()

    def shift(self, z):
        """What is subtracted from the logits before exp."""
        return z.max()

    def softmax(self, z):
        e = np.exp(z - self.shift(z))
        return e / e.sum()

    # --- loss ---------------------------------------------------------------------------------------------------

    def factor(self):
        """The scale of the reduction."""
        if self.reduction == "sum":
            return self.scale
        per_example = self.reduction == "mean_over_batch" or self.kind in ("cross_entropy", "softmax_cross_entropy")
        return self.scale / (self.batch if per_example else self.t.size)

    def loss(self):
        total = np.zeros((), self.width())
        for n in range(self.batch):
            total += self.example_loss(column(self.layers[-1].y, n), column(self.t, n)).sum()
        return np.asarray(total * self.factor(), self.dtype)

    def guard(self, p):
        """The probability a logarithm is taken of."""
        return p

    def example_loss(self, p, t):
        losses = {
            "squared_error": lambda: (t - p)**2,
            "absolute_error": lambda: abs(t - p),
            "cross_entropy": lambda: -t * np.log(self.guard(p)),
            "softmax_cross_entropy": lambda: t * (np.log(np.exp(p - self.shift(p)).sum()) + self.shift(p) - p),
            "binary_cross_entropy": lambda: -t * np.log(self.guard(p)) - (1 - t) * np.log(self.guard(1 - p)),
            "sigmoid_cross_entropy": lambda: np.maximum(p, 0) - p * t + np.log1p(np.exp(-abs(p))),
            "inner_product": lambda: t * p,
        }
        return losses[self.kind]()

    def example_error(self, p, t):
        """dL/dp."""
        errors = {
            "squared_error": lambda: 2 * (p - t),
            "absolute_error": lambda: np.sign(p - t),
            "cross_entropy": lambda: -t / self.guard(p),
            "softmax_cross_entropy": lambda: self.softmax(p) * t.sum() - t,
            "binary_cross_entropy": lambda: (1 - t) / self.guard(1 - p) - t / self.guard(p),
            "sigmoid_cross_entropy": lambda: sigmoid(p) - t,
            "inner_product": lambda: t,
        }
        return errors[self.kind]()

    # --- backward -----------------------------------------------------------------------------------------------

    def backward(self):
        self.clear()
        top = self.layers[-1]
        for n in range(self.batch):
            column(top.error, n)[:] = self.output_error(column(top.y, n), column(self.t, n))
        for layer in reversed(self.layers):
            for n in range(self.batch):
                column(layer.delta, n)[:] = self.delta(layer, n)
            self.weight_gradient(layer)
            self.bias_gradient(layer)
            for n in range(self.batch):
                column(layer.x_error, n)[:] = self.error_below(layer, n)

    def clear(self):
        for layer in self.layers:
            layer.dW[:] = 0
            layer.db[:] = 0

    def output_error(self, p, t):
        return self.factor() * self.example_error(p, t)

    def delta(self, layer, n):
        """dL/dz of one example."""
        return self.through(layer, column(layer.z, n), column(layer.y, n), column(layer.error, n))

    def through(self, layer, z, y, error):
        """The error sent back through the activation: softmax by its Jacobian, the rest entry by entry."""
        if layer.function == "softmax":
            return self.jacobian(y) @ error
        return error * self.slope(layer, z, y)

    def jacobian(self, y):
        """Of the softmax: dy_i/dz_j = y_i (1 - y_i) on the diagonal, -y_i y_j beside it."""
        return np.diagflat(y) - y @ y.T

    def slope(self, layer, z, y):
        """f'(z), from the output y where that is shorter."""
        slopes = {
            "identity": lambda: np.ones_like(z),
            "tanh": lambda: 1 - y**2,
            "sigmoid": lambda: y * (1 - y),
            "relu": lambda: np.where(z > 0, np.ones_like(z), np.zeros_like(z)),
            "leaky_relu": lambda: np.where(z > 0, np.ones_like(z), np.full_like(z, layer.leak)),
            "softplus": lambda: sigmoid(z),
            "gelu": lambda: (1 + erf(z / math.sqrt(2))) / 2 + z * np.exp(-z**2 / 2) / math.sqrt(2 * math.pi),
            "gelu_tanh": lambda: self.gelu_tanh_slope(z),
            "silu": lambda: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
        }
        return slopes[layer.function]()

    def gelu_tanh_slope(self, z):
        t = np.tanh(tanh_argument(z))
        return (1 + t) / 2 + z * (1 - t**2) / 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z**2)

    def examples(self):
        """The examples whose gradients are added up."""
        return range(self.batch)

    def weight_gradient(self, layer):
        for n in self.examples():
            layer.dW += column(layer.delta, n) @ self.seen(layer, n).T

    def seen(self, layer, n):
        """The input that delta meets in the outer product."""
        return column(layer.x, n)

    def bias_gradient(self, layer):
        for n in self.examples():
            layer.db += column(layer.delta, n)

    def error_below(self, layer, n):
        return layer.W.T @ column(layer.delta, n)

    # --- the answer ---------------------------------------------------------------------------------------------

    def answer(self):
        """The gradients by name, as rows again."""
        gradients = {"inputs": self.bottom.error.T}
        for layer in self.layers:
            gradients[f"{layer.name}.weight"] = layer.dW.T
            if layer.has_bias:
                gradients[f"{layer.name}.bias"] = self.bias_answer(layer)
        return {name: np.asarray(value, self.dtype) for name, value in gradients.items()}

    def bias_answer(self, layer):
        return layer.db.ravel()

    # --- small questions the faults ask -------------------------------------------------------------------------

    def position(self, layer):
        return self.layers.index(layer)

    def below(self, layer):
        """The layer below, None below the first."""
        i = self.position(layer)
        return self.layers[i - 1] if i else None


# --- planting ----------------------------------------------------------------------------------------------------

PLANTED = {}


def wrong(method):
    """The function below is one mistake: called for `method` as function(net, right, *arguments)."""
    def keep(function):
        PLANTED[function.__name__.replace("_", "-")] = (method, function)
        return function
    return keep


def planted(fault=None):
    """A fresh network with one fault planted in it, with its claims; the right one for None."""
    net = implementation(**CLAIMS)(Net())
    net.__qualname__ = fault or "right"
    if fault is not None:
        method, function = PLANTED[fault]
        setattr(net, method, functools.partial(function, net, getattr(net, method)))
    return net


# --- faults of the bias ------------------------------------------------------------------------------------------

@wrong("bias_answer")
def bias_not_summed_over_batch(net, right, layer):
    return layer.delta.T


@wrong("bias_gradient")
def bias_averaged_over_batch(net, right, layer):
    right(layer)
    layer.db /= net.batch


@wrong("bias_gradient")
def bias_summed_over_units(net, right, layer):
    for n in net.examples():
        layer.db += column(layer.delta, n).sum()


@wrong("bias_answer")
def bias_scalar(net, right, layer):
    return layer.delta.sum()


@wrong("bias_gradient")
def bias_of_first_example(net, right, layer):
    layer.db += column(layer.delta, 0)


@wrong("bias_gradient")
def bias_of_last_example(net, right, layer):
    for n in net.examples():
        layer.db[:] = column(layer.delta, n)  # = where += is meant


@wrong("bias_answer")
def bias_summed_over_wrong_axis(net, right, layer):
    return layer.delta.sum(axis=0)


@wrong("bias_answer")
def bias_keepdims(net, right, layer):
    return layer.db.T


@wrong("bias_gradient")
def bias_never_updated(net, right, layer):
    pass


@wrong("bias_gradient")
def bias_skipped_in_first_layer(net, right, layer):
    if net.position(layer) > 0:
        right(layer)


@wrong("bias_gradient")
def bias_skipped_in_last_layer(net, right, layer):
    if layer is not net.layers[-1] or len(net.layers) == 1:
        right(layer)


@wrong("bias_gradient")
def bias_without_derivative(net, right, layer):
    for n in net.examples():
        layer.db += column(layer.error, n)


@wrong("bias_gradient")
def bias_of_next_layer(net, right, layer):
    above = net.layers[min(net.position(layer) + 1, len(net.layers) - 1)]
    for n in net.examples():
        layer.db += column((above if above.units == layer.units else layer).delta, n)


@wrong("bias_gradient")
def bias_counted_per_input(net, right, layer):
    for _ in range(layer.inputs):
        right(layer)


@wrong("bias_gradient")
def bias_divided_by_units(net, right, layer):
    right(layer)
    layer.db /= layer.units


@wrong("bias_gradient")
def bias_max_over_batch(net, right, layer):
    layer.db[:] = layer.delta.max(axis=1, keepdims=True)


@wrong("bias_gradient")
def bias_times_factor(net, right, layer):
    right(layer)
    layer.db *= 0.35


@wrong("bias_gradient")
def bias_negated(net, right, layer):
    for n in net.examples():
        layer.db -= column(layer.delta, n)


# --- faults of the activations -----------------------------------------------------------------------------------

@wrong("through")
def derivative_missing(net, right, layer, z, y, error):
    return error


@wrong("through")
def derivative_missing_in_output_layer(net, right, layer, z, y, error):
    return error if layer is net.layers[-1] else right(layer, z, y, error)


@wrong("through")
def derivative_missing_in_first_layer(net, right, layer, z, y, error):
    return error if layer is net.layers[0] and len(net.layers) > 1 else right(layer, z, y, error)


@wrong("slope")
def derivative_at_output(net, right, layer, z, y):
    return right(layer, y, net.value(layer, y))


@wrong("slope")
def derivative_of_preactivation(net, right, layer, z, y):
    return right(layer, z, z if layer.function in ("sigmoid", "tanh") else y)


@wrong("slope")
def derivative_is_the_function(net, right, layer, z, y):
    return right(layer, z, y) if layer.function == "identity" else y


@wrong("slope")
def derivative_constant(net, right, layer, z, y):
    return right(layer, z, y) if layer.function == "identity" else np.full_like(z, 0.3)


@wrong("slope")
def derivative_of_clipped_output(net, right, layer, z, y):
    """FANN's ends."""
    ends = {"sigmoid": (0.01, 0.99), "tanh": (-0.98, 0.98)}
    return right(layer, z, y.clip(*ends[layer.function]) if layer.function in ends else y)


@wrong("slope")
def derivative_of_sigmoid_for_tanh(net, right, layer, z, y):
    return y * (1 - y) if layer.function == "tanh" else right(layer, z, y)


@wrong("through")
def derivative_one_for_all_but_sigmoid(net, right, layer, z, y, error):
    return right(layer, z, y, error) if layer.function == "sigmoid" else error


@wrong("slope")
def relu_derivative_always_one(net, right, layer, z, y):
    return np.where(y >= 0, np.ones_like(y), y) if layer.function == "relu" else right(layer, z, y)


@wrong("slope")
def leaky_slope_twice(net, right, layer, z, y):
    return right(layer, z, y) ** (2 if layer.function == "leaky_relu" else 1)


@wrong("slope")
def leaky_slope_100_times(net, right, layer, z, y):
    if layer.function == "leaky_relu":
        return np.where(z > 0, np.ones_like(z), np.full_like(z, 100 * layer.leak))
    return right(layer, z, y)


@wrong("slope")
def leaky_slope_in_derivative(net, right, layer, z, y):
    return np.where(z < 0, np.full_like(z, 0.07), np.ones_like(z)) if layer.function == "leaky_relu" else right(layer, z, y)


@wrong("through")
def sigmoid_derivative_of_error(net, right, layer, z, y, error):
    return error * (1 - error) if layer.function == "sigmoid" else right(layer, z, y, error)


@wrong("slope")
def sigmoid_derivative_half_of_preactivation(net, right, layer, z, y):
    return y * (1 - z) if layer.function == "sigmoid" else right(layer, z, y)


@wrong("slope")
def tanh_derivative_not_squared(net, right, layer, z, y):
    return 1 - y if layer.function == "tanh" else right(layer, z, y)


@wrong("slope")
def gelu_derivative_of_other_form(net, right, layer, z, y):
    other = {"gelu": "gelu_tanh", "gelu_tanh": "gelu"}
    mine = layer.function
    layer.function = other.get(mine, mine)
    found = right(layer, z, y)
    layer.function = mine
    return found


@wrong("slope")
def silu_derivative_first_term_only(net, right, layer, z, y):
    return sigmoid(z) if layer.function == "silu" else right(layer, z, y)


@wrong("jacobian")
def softmax_diagonal_only(net, right, y):
    return np.diagflat(y * (1 - y))


@wrong("jacobian")
def softmax_derivative_missing(net, right, y):
    return np.eye(len(y), dtype=y.dtype)


# --- faults of the loss ------------------------------------------------------------------------------------------

@wrong("output_error")
def gradient_half(net, right, p, t):
    return right(p, t) / 2


@wrong("output_error")
def gradient_doubled(net, right, p, t):
    return right(p, t) * 2


@wrong("output_error")
def gradient_never_computed(net, right, p, t):
    return right(p, t) * 0


@wrong("output_error")
def gradient_divided_by_batch(net, right, p, t):
    return right(p, t) / net.batch


@wrong("output_error")
def gradient_times_batch(net, right, p, t):
    return right(p, t) * net.batch


@wrong("output_error")
def gradient_times_outputs(net, right, p, t):
    return right(p, t) * len(t)


@wrong("output_error")
def gradient_divided_by_outputs(net, right, p, t):
    return right(p, t) / len(t)


@wrong("output_error")
def gradient_times_batch_and_outputs(net, right, p, t):
    return right(p, t) * net.t.size


@wrong("output_error")
def gradient_divided_by_batch_and_outputs(net, right, p, t):
    return right(p, t) / net.t.size


@wrong("output_error")
def gradient_of_half_the_sum(net, right, p, t):
    return net.example_error(p, t) / 2


@wrong("output_error")
def gradient_times_factor(net, right, p, t):
    return right(p, t) * 0.37


@wrong("output_error")
def gradient_negated(net, right, p, t):
    return -right(p, t)


def one_hot(t):
    hot = np.zeros_like(t)
    hot[t.argmax()] = 1
    return hot


@wrong("example_error")
def cross_entropy_through_argmax(net, right, p, t):
    return right(p, one_hot(t) if net.kind in ("cross_entropy", "softmax_cross_entropy") else t)


@wrong("example_loss")
def loss_through_argmax(net, right, p, t):
    return right(p, one_hot(t) if net.kind in ("cross_entropy", "softmax_cross_entropy") else t)


@wrong("example_error")
def binary_loss_with_categorical_gradient(net, right, p, t):
    return net.softmax(p) - t if net.kind == "sigmoid_cross_entropy" else right(p, t)


@wrong("example_error")
def binary_gradient_first_term_only(net, right, p, t):
    return -t / p if net.kind == "binary_cross_entropy" else right(p, t)


@wrong("shift")
def softmax_without_max_shift(net, right, z):
    return 0.0


@wrong("guard")
def log_with_epsilon(net, right, p):
    return p + 1e-8


def with_log(net, p, t, kept):
    """The cross-entropies of logarithms that are kept from falling, those of p and of 1 - p."""
    if net.kind in ("cross_entropy", "softmax_cross_entropy"):
        lower = np.log(np.exp(p - net.shift(p)).sum()) + net.shift(p) if net.kind.startswith("softmax") else 0
        return -t * kept(p - lower if net.kind.startswith("softmax") else np.log(p))
    if net.kind == "sigmoid_cross_entropy":
        return -t * kept(-np.logaddexp(0, -p)) - (1 - t) * kept(-np.logaddexp(0, p))
    return -t * kept(np.log(p)) - (1 - t) * kept(np.log(1 - p))


@wrong("example_loss")
def log_with_epsilon_in_loss(net, right, p, t):
    return with_log(net, p, t, lambda log: np.logaddexp(log, math.log(1e-7))) if "cross_entropy" in net.kind else right(p, t)


@wrong("example_loss")
def log_clipped_in_loss(net, right, p, t):
    """Nothing below 1e-6."""
    return with_log(net, p, t, lambda log: log.clip(min=math.log(1e-6))) if "cross_entropy" in net.kind else right(p, t)


@wrong("backprop")
def log_clipped(net, right, *question):
    """The probabilities are clipped where they come from."""
    loss, error = type(net).example_loss.__get__(net), type(net).example_error.__get__(net)

    def kept(line):
        def of(p, t):
            return line(p.clip(1e-4, 1 - 1e-4) if net.kind in ("cross_entropy", "binary_cross_entropy") else p, t)
        return of

    net.example_loss, net.example_error = kept(loss), kept(error)
    return right(*question)


@wrong("example_loss")
def log_of_softmax(net, right, p, t):
    if net.kind != "softmax_cross_entropy":
        return right(p, t)
    q = net.softmax(p)
    return np.array([-t[k, 0] * np.log(q[k, 0]) for k in range(len(t)) if t[k, 0]] or [0.0])


@wrong("example_loss")
def log_of_sigmoid(net, right, p, t):
    if net.kind != "sigmoid_cross_entropy":
        return right(p, t)
    q = 1 / (1 + np.exp(-p))
    return np.where(t > 0, -t * np.log(q), 0 * t) + np.where(t < 1, (t - 1) * np.log(1 - q), 0 * t)


@wrong("example_error")
def output_derivative_twice(net, right, p, t):
    if net.kind in ("cross_entropy", "binary_cross_entropy"):
        return p - t
    if net.kind == "softmax_cross_entropy":
        return net.jacobian(net.softmax(p)) @ right(p, t)
    if net.kind == "sigmoid_cross_entropy":
        return (1 - sigmoid(p)) * sigmoid(p) * right(p, t)
    return right(p, t)


@wrong("read_targets")
def label_smoothing(net, right, targets):
    right(targets)
    if "cross_entropy" in net.kind:
        classes = 2 if net.kind in ("binary_cross_entropy", "sigmoid_cross_entropy") else len(net.t)
        net.t *= 1 - 0.05
        net.t += 0.05 / classes


@wrong("backprop")
def squared_error_for_absolute(net, right, *question):
    return another_loss(net, right, question, {"absolute_error": "squared_error"})


@wrong("backprop")
def absolute_error_for_squared(net, right, *question):
    return another_loss(net, right, question, {"squared_error": "absolute_error"})


@wrong("backprop")
def squared_error_for_cross_entropy(net, right, *question):
    return another_loss(net, right, question, dict.fromkeys(("cross_entropy", "binary_cross_entropy"), "squared_error"))


@wrong("backprop")
def binary_for_categorical(net, right, *question):
    return another_loss(net, right, question, {"cross_entropy": "binary_cross_entropy",
                                               "softmax_cross_entropy": "sigmoid_cross_entropy"})


@wrong("backprop")
def categorical_for_binary(net, right, *question):
    return another_loss(net, right, question, {"binary_cross_entropy": "cross_entropy",
                                               "sigmoid_cross_entropy": "softmax_cross_entropy"})


def another_loss(net, right, question, others):
    """What an example costs, and its error, by the formulas of another loss; summed up as declared."""
    def of(line):
        def other(p, t):
            mine, net.kind = net.kind, others.get(net.kind, net.kind)
            found = line(net, p, t)
            net.kind = mine
            return found
        return other

    net.example_loss, net.example_error = of(type(net).example_loss), of(type(net).example_error)
    return right(*question)


@wrong("backprop")
def outputs_and_targets_exchanged(net, right, *question):
    loss, error = type(net).example_loss, type(net).example_error

    def logs(t):
        return np.log(1e-8 + t), np.log(1e-8 + (1 - t))

    def cost(p, t):
        return -(p * logs(t)[0] + (1 - p) * logs(t)[1])

    net.example_loss = lambda p, t: cost(p, t) if net.kind == "binary_cross_entropy" else loss(net, p, t)
    net.example_error = lambda p, t: (logs(t)[1] - logs(t)[0] if net.kind == "binary_cross_entropy"
                                      else error(net, p, t))
    return right(*question)


@wrong("example_loss")
def loss_reported_is_squared_error(net, right, p, t):
    return (p - t)**2


@wrong("example_loss")
def loss_reported_is_absolute_error(net, right, p, t):
    return np.maximum(p, t) - np.minimum(p, t)


@wrong("loss")
def loss_without_last_example(net, right):
    factor, net.batch = net.factor(), net.batch - 1
    total = sum(net.example_loss(column(net.layers[-1].y, n), column(net.t, n)).sum() for n in range(net.batch))
    net.batch += 1
    return np.asarray(total * factor, net.dtype)


@wrong("loss")
def loss_halved(net, right):
    return right() / 2


@wrong("weight_gradient")
def decay_in_gradient_only(net, right, layer):
    right(layer)
    layer.dW += 0.01 * layer.W


@wrong("bias_gradient")
def decay_on_biases_too(net, right, layer):
    right(layer)
    layer.db += 0.01 * layer.b


@wrong("loss")
def penalty_in_loss_only(net, right):
    return np.asarray(right() + 0.005 * sum((layer.W**2).sum() for layer in net.layers), net.dtype)


# --- faults of propagation ---------------------------------------------------------------------------------------

@wrong("error_below")
def weights_updated_before_delta(net, right, layer, n):
    return (layer.W - 0.5 * layer.dW).T @ column(layer.delta, n)


@wrong("error_below")
def weight_not_transposed(net, right, layer, n):
    return layer.W @ column(layer.delta, n) if layer.units == layer.inputs else right(layer, n)


@wrong("weight_gradient")
def weight_gradient_transposed(net, right, layer):
    right(layer)
    if layer.units == layer.inputs:
        layer.dW[:] = layer.dW.T.copy()


@wrong("error_below")
def hidden_error_without_weights(net, right, layer, n):
    return column(layer.delta, n).sum()


@wrong("error_below")
def hidden_error_is_sum_of_weight_gradient(net, right, layer, n):
    return layer.dW.sum(axis=0, keepdims=True).T


@wrong("seen")
def network_input_in_later_layer(net, right, layer, n):
    return column(net.bottom.y, n) if len(net.bottom.y) == layer.inputs else right(layer, n)


@wrong("seen")
def weight_gradient_of_preactivation(net, right, layer, n):
    return column(net.below(layer).z, n) if net.below(layer) else right(layer, n)


@wrong("seen")
def weight_gradient_of_own_output(net, right, layer, n):
    return column(layer.z, n) if layer.units == layer.inputs else right(layer, n)


@wrong("affine")
def forward_input_in_later_layer(net, right, layer, n):
    if len(net.bottom.y) == layer.inputs:
        return layer.W @ column(net.bottom.y, n) + layer.b
    return right(layer, n)


@wrong("error_below")
def stops_after_one_layer(net, right, layer, n):
    return 0.0


@wrong("error_below")
def delta_doubled_per_layer(net, right, layer, n):
    return 2 * right(layer, n)


@wrong("delta")
def delta_clipped(net, right, layer, n):
    return right(layer, n).clip(-1, 1)


def shortened(g, most):
    norm = np.linalg.norm(g)
    return g if norm <= most else g / norm * g.dtype.type(most)


@wrong("delta")
def delta_clipped_by_norm(net, right, layer, n):
    """The errors of the whole batch: those of the outputs, and then those of the sums."""
    if n == 0:
        layer.error[:] = shortened(layer.error, 0.7)
    return column(shortened(np.hstack([right(layer, m) for m in range(net.batch)]), 0.7), n)


@wrong("answer")
def gradient_clipped(net, right):
    return {name: gradient.clip(-1, 1) for name, gradient in right().items()}


@wrong("answer")
def gradient_clipped_by_norm(net, right):
    return {name: shortened(gradient, 0.8) for name, gradient in right().items()}


@wrong("answer")
def gradient_clipped_by_global_norm(net, right):
    gradients = right()
    norm = math.sqrt(sum(float((g.astype(float)**2).sum()) for name, g in gradients.items() if name != "inputs"))
    k = min(1.0, 0.8 / norm) if norm else 1.0
    return {name: g if name == "inputs" else g * g.dtype.type(k) for name, g in gradients.items()}


@wrong("weight_gradient")
def weights_averaged_biases_summed(net, right, layer):
    right(layer)
    layer.dW /= net.batch


@wrong("weight_gradient")
def first_layer_gradient_skipped(net, right, layer):
    if net.position(layer) > 0:
        right(layer)


@wrong("answer")
def inputs_gradient_wrong_sign(net, right):
    gradients = right()
    return {**gradients, "inputs": -gradients["inputs"]}


# --- faults of the forward pass ----------------------------------------------------------------------------------

def written_as(function, formula):
    """A value method with another formula for one activation."""
    def value(net, right, layer, z):
        return formula(z) if layer.function == function else right(layer, z)
    return value


@wrong("value")
def sigmoid_sign_lost(net, right, layer, z):
    return written_as("sigmoid", lambda z: 1 / (1 + np.exp(z)))(net, right, layer, z)


@wrong("value")
def sigmoid_overflow(net, right, layer, z):
    return written_as("sigmoid", lambda z: np.exp(z) / (np.exp(z) + 1))(net, right, layer, z)


@wrong("value")
def tanh_overflow(net, right, layer, z):
    def tanh(z):
        up, down = np.exp(z), np.exp(-z)
        return (up - down) / (up + down)
    return written_as("tanh", tanh)(net, right, layer, z)


@wrong("backprop")
def softplus_overflow(net, right, *question):
    value, loss = type(net).value, type(net).example_loss
    net.value = lambda layer, z: np.log(1 + np.exp(z)) if layer.function == "softplus" else value(net, layer, z)
    net.example_loss = lambda p, t: (np.log(1 + np.exp(p)) - p * t if net.kind == "sigmoid_cross_entropy"
                                     else loss(net, p, t))
    return right(*question)


TABLE = [1 / (1 + math.exp(-(-15 + 30 / 4096 * i))) for i in range(4096)]


@wrong("value")
def sigmoid_from_table(net, right, layer, z):
    """genann's: 4096 entries from -15 on, and the first or last of them beyond."""
    def look_up(v):
        if v < -15:
            return TABLE[0]
        return TABLE[min(int((v + 15) * (4096 / 30) + 0.5), 4095)]
    return written_as("sigmoid", np.vectorize(look_up, otypes=[z.dtype]))(net, right, layer, z)


@wrong("value")
def activation_of_straight_lines(net, right, layer, z):
    """FANN's six points."""
    x = [-2.64665293693542480469, -1.47221934795379638672, -0.549306154251098632812,
         0.549306154251098632812, 1.47221934795379638672, 2.64665293693542480469]
    y = [-0.990000009536743164062, -0.899999976158142089844, -0.5, 0.5, 0.899999976158142089844, 0.990000009536743164062]

    def tanh(v):
        if v < x[0]:
            return -1.0
        for i in range(5):
            if v < x[i + 1]:
                return y[i] + (v - x[i]) * (y[i + 1] - y[i]) / (x[i + 1] - x[i])
        return 1.0

    formulas = {"tanh": tanh, "sigmoid": lambda v: (tanh(v / 2) + 1) / 2}
    if layer.function in formulas:
        return np.vectorize(formulas[layer.function], otypes=[z.dtype])(z)
    return right(layer, z)


@wrong("read")
def leaky_slope_of_another(net, right, *question):
    right(*question)
    for layer in net.layers:
        layer.leak = 0.3


# --- faults of state ---------------------------------------------------------------------------------------------

@wrong("clear")
def gradients_accumulate(net, right):
    pass


@wrong("backward")
def stale_cache(net, right):
    """The inputs of the outer products are saved after the backward where before is meant."""
    now = [layer.x.copy() for layer in net.layers]
    net.stale, net.memory[net.key] = net.memory.get(net.key, now), now
    net.seen = lambda layer, n: column(net.stale[net.position(layer)], n)
    right()


@wrong("backprop")
def parameters_updated_in_place(net, right, network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    for name, value in parameters.items():
        value -= 0.1 * gradients[name]
    return loss, gradients


@wrong("backprop")
def inputs_changed_in_place(net, right, network, parameters, inputs, targets):
    loss, gradients = right(network, parameters, inputs, targets)
    inputs -= 0.1 * gradients["inputs"]
    return loss, gradients


@wrong("answer")
def momentum_left_over(net, right):
    last = net.memory.get(net.key, {})
    net.memory[net.key] = {name: gradient + 0.9 * last.get(name, 0) for name, gradient in right().items()}
    return net.memory[net.key]


@wrong("answer")
def momentum_multiplied(net, right):
    last = net.memory.get(net.key, {})
    net.memory[net.key] = {name: gradient.copy() for name, gradient in right().items()}
    return {name: gradient * last.get(name, 0) for name, gradient in net.memory[net.key].items()}


@wrong("answer")
def every_second_call_differs(net, right):
    net.memory["calls"] = net.memory.get("calls", 0) + 1
    return {name: gradient * (1 if net.memory["calls"] % 2 else 2) for name, gradient in right().items()}


# --- faults of precision -----------------------------------------------------------------------------------------

@wrong("width")
def float32_inside(net, right):
    return np.dtype("float32")


@wrong("width")
def float16_inside(net, right):
    return np.dtype("float16")


@wrong("weight_gradient")
def one_entry_off(net, right, layer):
    right(layer)
    if layer is net.layers[0]:
        layer.dW[0, 0] *= 1 + 1e-6


@wrong("answer")
def gradient_by_differences(net, right):
    """One entry after the other moved by 1e-6; the loss before and after."""
    def ahead(array):
        gradient = np.zeros_like(array)
        for at in np.ndindex(array.shape):
            kept, array[at] = array[at], array[at] + 1e-6
            net.forward()
            gradient[at] = (net.loss() - before) / 1e-6
            array[at] = kept
        return gradient

    before = net.loss()
    for layer in net.layers:
        layer.dW[:] = ahead(layer.W)
        layer.db[:] = ahead(layer.b)
    net.bottom.error[:] = ahead(net.bottom.y)
    return right()


@wrong("value")
def fast_tanh(net, right, layer, z):
    """Seven terms of Lambert's continued fraction."""
    if layer.function != "tanh":
        return right(layer, z)
    s = z * z
    y = z * (135135 + s * (17325 + s * (378 + s))) / (135135 + s * (62370 + s * (3150 + s * 28)))
    return y.clip(-1, 1)


@wrong("backward")
def truncated_inputs(net, right):
    net.bottom.y[:] = net.bottom.y.round(3)
    right()


# --- rare faults -------------------------------------------------------------------------------------------------

@wrong("bias_gradient")
def two_entries_swapped(net, right, layer):
    right(layer)
    layer.db[:2] = layer.db[:2][::-1].copy()


@wrong("weight_gradient")
def wrong_beyond_width(net, right, layer):
    right(layer)
    layer.dW[6:] = 0  # a buffer of six rows


@wrong("bias_gradient")
def wrong_beyond_depth(net, right, layer):
    if net.position(layer) < 4:  # a table of four layers
        right(layer)


@wrong("examples")
def wrong_at_batch_8(net, right):
    return range(7) if net.batch == 8 else right()


@wrong("bias_gradient")
def wrong_at_batch_one(net, right, layer):
    right(layer)
    if net.batch == 1:
        layer.db[:] = layer.db.sum()  # squeezed: the only axis left is that of the units


@wrong("examples")
def last_example_of_odd_batch_dropped(net, right):
    return range(net.batch // 2 * 2)


@wrong("examples")
def remainder_rows_dropped(net, right):
    return range(net.batch // 4 * 4)


@wrong("bias_gradient")
def wrong_for_equal_biases(net, right, layer):
    """The gradients are kept by the bias's value: of equal ones the last is left."""
    right(layer)
    kept = dict(zip(layer.b[:, 0].tolist(), layer.db[:, 0].tolist(), strict=True))
    layer.db[:, 0] = [kept[value] for value in layer.b[:, 0].tolist()]


@wrong("delta")
def wrong_for_dead_unit(net, right, layer, n):
    if layer.function != "relu":
        return right(layer, n)
    dead = (layer.z <= 0).all(axis=1, keepdims=True)
    return np.where(dead, column(layer.error, n), right(layer, n))


@wrong("seen")
def wrong_for_zero_input(net, right, layer, n):
    unused = (layer.x == 0).all(axis=1, keepdims=True)
    return np.where(unused, np.ones_like(column(layer.x, n)), right(layer, n))


@wrong("slope")
def wrong_for_saturated_unit(net, right, layer, z, y):
    return right(layer, z, y) * ((abs(z) <= 8) | (layer.function not in ("sigmoid", "tanh")))


@wrong("examples")
def wrong_for_repeated_rows(net, right):
    rows = net.bottom.y.T.tolist()
    return [n for n in right() if rows[n] not in rows[:n]]


# --- faults of the update ----------------------------------------------------------------------------------------

@wrong("backprop")
def weights_updated_between_examples(net, right, network, parameters, inputs, targets):
    loss, whole = right(network, parameters, inputs, targets)
    found, now = {"inputs": np.array(whole["inputs"])}, {name: np.array(p) for name, p in parameters.items()}
    for k in range(len(inputs)):
        _, gradients = right(network, now, inputs[k:k + 1], targets[k:k + 1])
        for name, p in now.items():
            p -= gradients[name] / 2
    return loss, {name: 2 * (parameters[name] - p) for name, p in now.items()} | found
