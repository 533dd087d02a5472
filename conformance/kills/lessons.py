"""What is taught on a word that people type: a row for each subject, and other words for it.

The formulas of activations and losses are Python, so that a test can hold them to the reference.
x is what the activation is taken of, y its value; p and t are outputs and targets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..reference import LAYERS
from ..reference.layers import FAMILIES


class Lesson(NamedTuple):
    """One subject: its formulas, the file with the line that computes it, and what goes wrong.

    `families`: the families of mistakes that are about it; with `hidden` or `loss` only those that
    show on networks with that activation or loss. `rows`: the rows of an update rule, where it is
    about updates (ANY: of every rule); the mistakes are then those that need one of them. `names`:
    of mistakes, as patterns of a shell, where the subject is in several families.
    """

    formulas: tuple[str, ...]
    stands: str
    families: tuple[str, ...] = ()
    hidden: str = ""
    loss: str = ""
    rows: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


ANY = "any"

# f and f' by x and y. Those without a derivative of their own are taken of a whole row.
FORMULAS: dict[str, tuple[str, str]] = {
    "identity": ("x", "1"),
    "sigmoid": ("1 / (1 + exp(-x))", "y * (1 - y)"),
    "tanh": ("tanh(x)", "1 - y**2"),
    "relu": ("maximum(x, 0)", "x > 0"),
    "leaky_relu": ("where(x > 0, x, 0.01 * x)", "where(x > 0, 1, 0.01)"),
    "softplus": ("log(1 + exp(x))", "1 / (1 + exp(-x))"),
    "gelu": ("x * (1 + erf(x / sqrt(2))) / 2",
             "(1 + erf(x / sqrt(2))) / 2 + x * exp(-x**2 / 2) / sqrt(2 * pi)"),
    "gelu_tanh": ("x * (1 + u) / 2, where u = tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))",
                  "(1 + u) / 2 + x / 2 * (1 - u**2) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x**2)"),
    "silu": ("x / (1 + exp(-x))", "y + (1 - y) / (1 + exp(-x))"),
    "softmax": ("exp(x) / sum(exp(x))", "dx = y * (dy - sum(dy * y))"),
    "log_softmax": ("x - log(sum(exp(x)))", "dx = dy - exp(y) * sum(dy)"),
    "elu": ("where(x > 0, x, exp(x) - 1)", "where(x > 0, 1, y + 1)"),
    "selu": ("1.0507009873554805 * where(x > 0, x, 1.6732632423543772 * (exp(x) - 1))",
             "1.0507009873554805 * where(x > 0, 1, 1.6732632423543772 * exp(x))"),
    "mish": ("x * u, where u = tanh(log(1 + exp(x)))",
             "u + x * (1 - u**2) / (1 + exp(-x))"),
    "softsign": ("x / (1 + abs(x))", "1 / (1 + abs(x))**2"),
    "hard_tanh": ("clip(x, -1, 1)", "abs(x) < 1"),
    "hard_sigmoid": ("clip(x / 6 + 1 / 2, 0, 1)", "(abs(x) < 3) / 6"),
    "relu6": ("clip(x, 0, 6)", "(x > 0) & (x < 6)"),
    "abs": ("abs(x)", "sign(x)"),
}

# L and dL/dp, before the reduction.
LOSS_FORMULAS: dict[str, tuple[str, str]] = {
    "squared_error": ("(p - t)**2", "2 * (p - t)"),
    "absolute_error": ("abs(p - t)", "sign(p - t)"),
    "cross_entropy": ("-sum(t * log(p))", "-t / p"),
    "softmax_cross_entropy": ("-sum(t * log(softmax(p)))", "softmax(p) * sum(t) - t"),
    "binary_cross_entropy": ("-t * log(p) - (1 - t) * log(1 - p)", "(1 - t) / (1 - p) - t / p"),
    "sigmoid_cross_entropy": ("log(1 + exp(p)) - t * p", "1 / (1 + exp(-p)) - t"),
    "inner_product": ("p * t", "t"),
    "huber": ("where(abs(p - t) < 1, (p - t)**2 / 2, abs(p - t) - 1 / 2)", "clip(p - t, -1, 1)"),
    "hinge": ("maximum(1 - t * p, 0)", "where(t * p < 1, -t, 0)"),
    "squared_hinge": ("maximum(1 - t * p, 0)**2", "-2 * t * maximum(1 - t * p, 0)"),
    "kl_divergence": ("sum(t * (log(t) - log(p)))", "-t / p"),
    "kl_divergence_of_logs": ("t * (log(t) - p)", "-t"),
}

# Of layers, as a student meets them: the forward, and what comes back. The files have all forms.
U = "u = (x - mean(x)) / sqrt(var(x) + epsilon)"
NORMALISED = (
    f"y = scale * u + bias, where {U}",
    "dscale = sum(dy * u)      dbias = sum(dy)",
    "dx = (g - mean(g) - u * mean(g * u)) / sqrt(var(x) + epsilon), where g = scale * dy",
    "the two means are what comes back through mean(x) and var(x), which depend on x too")
CONVOLVED = ("y at a place = sum(window of x * w) + b      one w and one b for all places",
             "dw = sum over examples and places of (window of x) * dy",
             "db = sum over examples and places of dy",
             "dx: each dy * w is added where its window was")
POOLED = ("max: the error goes to the entry that was the largest, and to no other",
          "mean: each of the n entries of a window gets dy / n",
          "where windows overlap, what they send back is added")
LAYER_FORMULAS: dict[str, tuple[str, ...]] = {
    "batch_norm": (*NORMALISED, "mean and var are of a feature, over the examples of the batch"),
    "layer_norm": (*NORMALISED, "mean and var are of an example, over its features"),
    "conv1d": CONVOLVED, "conv2d": CONVOLVED, "pool1d": POOLED, "pool2d": POOLED,
    "dropout": ("y = x * mask / (1 - rate)",
                "dx = dy * mask / (1 - rate)      with the same mask"),
    "embedding": ("y = W[index]",
                  "dW[index] += dy      an index that is there twice gets both"),
    "parallel": ("y = x + f(x)      two ways from x to y, so their errors are added",
                 "dx = dy + what comes back through f"),
    "rnn": ("h[t] = f(z[t]), where z[t] = x[t] @ W + h[t-1] @ U + b",
            "from the last step to the first: dz[t] = (dh[t] + dz[t+1] @ U.T) * f'(z[t])",
            "dW = sum over t of x[t].T @ dz[t]      dU = sum over t of h[t-1].T @ dz[t]",
            "db = sum over t and the rows of dz[t]"),
    "lstm": ("c[t] = f * c[t-1] + i * g      h[t] = o * tanh(c[t])",
             "dc[t] = dh[t] * o * (1 - tanh(c[t])**2) + dc[t+1] * f[t+1]      two ways, added",
             "di = dc * g      df = dc * c[t-1]      dg = dc * i      do = dh * tanh(c[t])"),
    "gru": ("h[t] = (1 - z) * n + z * h[t-1]",
            "dz = dh * (h[t-1] - n)      dn = dh * (1 - z)",
            "dh[t-1] = dh * z + what comes back through the three gates"),
    "attention": ("S = Q @ K.T / sqrt(d)      A = softmax(S)      Y = A @ V",
                  "dV = A.T @ dY      dA = dY @ V.T      dS = A * (dA - sum(dA * A))",
                  "dQ = dS @ K / sqrt(d)      dK = dS.T @ Q / sqrt(d)"),
}

BACK = ("dz = da * f'(z)", "dW = x.T @ dz", "db = dz.sum(axis=0)", "dx = dz @ W.T")

SUBJECTS: dict[str, Lesson] = {
    "bias": Lesson(
        ("z = x @ W + b      the bias reaches every row of the batch",
         "db = delta.sum(axis=0)      so its gradient is the sum over the rows",
         "b -= rate * db      and it is updated as the weights are"),
        "reference/sites.py", ("bias",),
        see=("docs/bias.md has it with a picture: python -m backproof explain bias --out DIR",)),
    "dense": Lesson(
        ("y = x @ W + b", "dW = x.T @ dy", "db = dy.sum(axis=0)", "dx = dy @ W.T"),
        "reference/sites.py", ("bias", "propagation", "forward")),
    "backpropagation": Lesson(
        ("from the loss back, layer by layer, each time", *BACK,
         "and dx is the da of the layer below"),
        "reference/backprop.py", ("propagation",)),
    "chain rule": Lesson(
        ("dL/dx = dL/dy * dy/dx      for a number",
         "dx = the sum over j of dy[j] * dy[j]/dx      for several ways from x to the loss", *BACK),
        "reference/backprop.py", ("propagation", "activation")),
    "update": Lesson(
        ("W -= rate * dW", "b -= rate * db",
         "dW and db are new for every step: nothing is added up"),
        "reference/training.py", ("update", "state"), rows=(ANY,)),
    "learning rate": Lesson(
        ("W -= rate * dW      the gradient itself has no rate in it",), "reference/training.py",
        ("update",), rows=(ANY, "rate")),
    "momentum": Lesson(
        ("v = momentum * v - rate * dW", "W += v",
         "Nesterov: W += momentum * v - rate * dW, with the new v"),
        "reference/training.py", rows=("momentum", "nesterov")),
    "adam": Lesson(
        ("m = beta1 * m + (1 - beta1) * dW", "s = beta2 * s + (1 - beta2) * dW**2",
         "W -= rate * (m / (1 - beta1**t)) / (sqrt(s / (1 - beta2**t)) + epsilon)",
         "t counts the updates, 1 for the first"), "reference/training.py", rows=("adam",)),
    "rmsprop": Lesson(
        ("s = rho * s + (1 - rho) * dW**2", "W -= rate * dW / (sqrt(s) + epsilon)"),
        "reference/training.py", rows=("rmsprop",)),
    "weight decay": Lesson(
        ("W -= rate * (dW + decay * W)      the gradient of decay / 2 * (W**2).sum()",
         "b -= rate * db      biases do not decay"), "reference/training.py",
        rows=("decay", "decoupled_decay")),
    "clipping": Lesson(
        ("norm = sqrt(the sum of all squares, over every array)",
         "dW *= min(1, limit / norm)      every array by the same number"),
        "reference/training.py", rows=("clip_norm", "clip_value")),
    "batch": Lesson(
        ("the gradient of a sum over examples is the sum of their gradients",
         "of a mean over N examples it is that divided by N: once, and in every array"),
        "reference/losses.py", ("bias", "loss")),
    "state": Lesson(
        ("the same question, asked twice, has the same answer",
         "self.dW = x.T @ delta      not +=, unless it was set to zero"),
        "reference/backprop.py", ("state",)),
    "loss": Lesson(
        ("gradients are those of the loss that is reported",
         "a factor before the loss (1/2, 1/N) is before every gradient too"),
        "reference/losses.py", ("loss",), see=("python -m backproof list losses",)),
    "activation function": Lesson(
        ("y = f(x)      for each number by itself", "dx = dy * f'(x)",
         "f' is written by x, or by y: sigmoid y * (1 - y), tanh 1 - y**2; not one for the other"),
        "reference/activations.py", ("activation",),
        see=("python -m backproof list activations",)),
    "transpose": Lesson(
        ("a gradient has the shape of what it is the gradient of; so there is one way to write it",
         "dW = x.T @ delta      (in, units) = (in, rows) @ (rows, units)",
         "dx = delta @ W.T      (rows, in) = (rows, units) @ (units, in)",
         "db = delta.sum(axis=0)      (units,) = (rows, units) summed over the rows"),
        "reference/sites.py", names=("*transposed", "bias-summed-*", "bias-not-summed-*",
                                     "bias-keepdims", "bias-scalar")),
    "overflow": Lesson(
        ("exp(x) is infinite above 709 (float32: 88), and inf / inf is nan",
         "softmax: exp(x - max(x)) / sum(exp(x - max(x)))",
         "log(p) of a p that was rounded to 0 is -inf: take the loss of the logits"),
        "reference/activations.py", names=("*-overflow", "softmax-without-*", "log-*")),
    "vanishing gradient": Lesson(
        ("delta = (delta @ W.T) * f'(z)      in every layer one more factor f'(z)",
         "sigmoid's f' is at most 1/4, and nearly 0 where a unit is saturated",
         "that is the true gradient, and is judged as such: it is no mistake"),
        "reference/backprop.py", names=("wrong-for-saturated-unit", "wrong-for-dead-unit",
                                        "derivative-of-clipped-output")),
    "gradient check": Lesson(
        ("(L(w + h) - L(w - h)) / (2 * h)      is off by some h**2, and by rounding / h",
         "so it has half of the digits; here it is one witness of several"),
        "reference/backprop.py", names=("gradient-by-differences", "one-entry-off"),
        see=("python -m backproof explain differences", "python -m backproof list oracles")),
    "precision": Lesson(
        ("float64 has 16 digits, float32 has 7; what is allowed is computed for every entry",),
        "properties/tolerance.py", ("precision",)),
}

OTHER_WORDS: dict[str, str] = {
    "biases": "bias", "db": "bias", "intercept": "bias", "offset": "bias",
    "linear": "dense", "fully connected": "dense", "fc": "dense", "affine": "dense",
    "weight": "dense", "weights": "dense", "dw": "dense", "perceptron": "dense", "mlp": "dense",
    "backprop": "backpropagation", "backward": "backpropagation", "gradient": "backpropagation",
    "gradients": "backpropagation", "delta": "backpropagation", "backward pass": "backpropagation",
    "derivative": "chain rule", "jacobian": "chain rule", "vjp": "chain rule",
    "sgd": "update", "gradient descent": "update", "optimizer": "update", "optimiser": "update",
    "training": "update", "train": "update", "step": "update", "rate": "learning rate",
    "lr": "learning rate", "nesterov": "momentum", "velocity": "momentum", "adamw": "adam",
    "l2": "weight decay", "regularisation": "weight decay", "regularization": "weight decay",
    "decay": "weight decay", "gradient clipping": "clipping", "clip": "clipping",
    "mini batch": "batch", "minibatch": "batch", "mean": "batch", "sum": "batch", "1/n": "batch",
    "reduction": "batch", "zero grad": "state", "accumulate": "state", "rounding": "precision",
    "float32": "precision", "tolerance": "precision",
    "mse": "squared_error", "mean squared error": "squared_error", "l2 loss": "squared_error",
    "mae": "absolute_error", "l1": "absolute_error", "bce": "binary_cross_entropy",
    "log loss": "binary_cross_entropy", "nll": "cross_entropy", "kl": "kl_divergence",
    "logits": "softmax_cross_entropy", "cce": "softmax_cross_entropy", "smooth l1": "huber",
    "cost": "loss", "objective": "loss", "criterion": "loss", "activation": "activation function",
    "nonlinearity": "activation function", "logistic": "sigmoid",
    "transposed": "transpose", "shape": "transpose", "axis": "transpose", "nan": "overflow",
    "inf": "overflow", "underflow": "overflow", "numerical stability": "overflow",
    "log sum exp": "overflow", "vanishing gradients": "vanishing gradient",
    "saturation": "vanishing gradient", "dead unit": "vanishing gradient",
    "exploding gradient": "clipping", "exploding gradients": "clipping", "clip norm": "clipping",
    "clip value": "clipping", "decoupled decay": "weight decay", "bias rate": "learning rate",
    "gradcheck": "gradient check", "numerical gradient": "gradient check",
    "finite differences": "gradient check",
    "swish": "silu", "hardtanh": "hard_tanh", "hardsigmoid": "hard_sigmoid",
    "leaky": "leaky_relu", "lrelu": "leaky_relu", "rectifier": "relu",
    "batchnorm": "batch_norm", "bn": "batch_norm", "batch normalization": "batch_norm",
    "batch normalisation": "batch_norm", "normalisation": "batch_norm",
    "normalization": "batch_norm", "layernorm": "layer_norm", "layer normalization": "layer_norm",
    "layer normalisation": "layer_norm", "rmsnorm": "rms_norm", "groupnorm": "group_norm",
    "conv": "conv2d", "convolution": "conv2d", "cnn": "conv2d", "filter": "conv2d",
    "kernel": "conv2d", "pooling": "pool2d", "max pooling": "pool2d", "maxpool": "pool2d",
    "average pooling": "pool2d", "residual": "parallel", "skip connection": "parallel",
    "resnet": "parallel", "recurrent": "rnn", "bptt": "rnn", "elman": "rnn",
    "self attention": "attention", "transformer": "attention", "multi head attention": "attention",
    "word embedding": "embedding", "lookup": "embedding",
}


# Layers whose mistakes are listed under other families than their own name and their file's.
ABOUT = {"parallel": ("gated", "bidirectional", "transformer_block"),
         "embedding": ("embedding", "tied_embedding")}


def _activation(name: str) -> Lesson:
    f, df = FORMULAS[name]
    back = df if df.startswith("dx") else f"f' = {df}"
    return Lesson((f"y = {f}", back) + (() if back is df else ("dx = dy * f'",)),
                  "reference/activations.py", ("activation",), hidden=name)


def _loss(name: str) -> Lesson:
    loss, gradient = LOSS_FORMULAS[name]
    return Lesson((f"L = {loss}", f"dL/dp = {gradient}",
                   "then the reduction: a sum, or a mean, which divides both"),
                  "reference/losses.py", ("loss",), loss=name)


def _layer(name: str) -> Lesson:
    """A kind of layer; what has no formulas here has them in the file of its family."""
    file = next(file for file, kinds in FAMILIES.items() if name in kinds)
    families = ABOUT.get(name, tuple(dict.fromkeys((name, file))))
    return Lesson(LAYER_FORMULAS.get(name, ()), f"reference/layers/{file}.py", families,
                  see=("docs/layers.md has its options and its shapes",))


def _rows(table: tuple[str, ...], lesson: Callable[[str], Lesson]) -> dict[str, Lesson]:
    return {name: lesson(name) for name in table}


LESSONS: dict[str, Lesson] = {
    **_rows(tuple(LAYERS), _layer), **_rows(tuple(FORMULAS), _activation),
    **_rows(tuple(LOSS_FORMULAS), _loss), **SUBJECTS,
}
del LESSONS["activation"]
WORDS: dict[str, str] = {**{name: name for name in LESSONS}, **OTHER_WORDS}


def _plain(word: str) -> str:
    """Capitals, hyphens and underscores make no other word."""
    return " ".join(word.lower().replace("-", " ").replace("_", " ").split())


BY_PLAIN: dict[str, str] = {_plain(word): name for word, name in WORDS.items()}


def subject_of(word: str) -> str | None:
    """The name of the lesson that a word is about; None where there is none."""
    return BY_PLAIN.get(_plain(word))
