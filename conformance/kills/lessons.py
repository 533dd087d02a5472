"""What people ask about, by the words that they type: "bias", "batch norm", "learning rate".

A lesson is a row: its words, the formula, where that stands in the reference, and by which families
and names its mistakes are found in the tables of known mistakes. Examples are rows, as everywhere:
x is (rows, in), W is (in, units), delta = dL/dz is (rows, units).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import NamedTuple

from ..reference.checks import DescriptionError, visible

Entry = tuple[str, str]


class Lesson(NamedTuple):
    """One subject of the backward pass.

    `words`: what people type, the first its title. `formula`: lines. `where`: the names below
    `backproof.reference` that hold the formula. `families` and `names` (shell patterns) choose the
    known mistakes that it is about, and so does `entries`, pairs of a table and a name in it: those
    that change that entry. `more`: pages and commands.
    """

    words: tuple[str, ...]
    formula: tuple[str, ...]
    where: tuple[str, ...]
    families: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    more: tuple[str, ...] = ()


LESSONS: tuple[Lesson, ...] = (
    Lesson(("bias", "biases", "db", "bias gradient", "intercept", "offset"),
           ("z = x W + b, and the same b is added to every row; so every row sends it its error:",
            "dL/db = sum of delta over the rows: db = delta.sum(axis=0), of b's own shape",
            "It is divided by the number of examples only where the loss itself is."),
           ("sites.AFFINE",), families=("bias",), more=("docs/bias.md",)),
    Lesson(("weight", "weights", "dw", "weight gradient", "kernel"),
           ("z = x W + b, so dL/dW = xᵀ delta: dW = x.T @ delta, of W's own shape",
            "x is the layer's own input: what the layer before it gave, activation and all."),
           ("sites.AFFINE",), names=("weight-gradient-*", "network-input-*", "forward-input-*",
                                     "weights-averaged-*", "first-layer-gradient-*")),
    Lesson(("dense", "linear", "linear layer", "fully connected", "affine", "mlp", "perceptron",
            "layer"),
           ("forward:  z = x @ W + b",
            "backward: dW = x.T @ delta;  db = delta.sum(axis=0);  dx = delta @ W.T",
            "dx is the error that the layer before this one gets."),
           ("sites.AFFINE", "layers.dense"), families=("propagation", "bias")),
    Lesson(("backprop", "backpropagation", "chain rule", "delta", "error", "backward",
            "hidden layer", "hidden error", "upstream gradient", "gradient"),
           ("From the loss back, a layer at a time, each by the numbers of its own forward:",
            "delta = dL/dz of the last layer; then delta = (delta_next @ W_next.T) * f'(z)",
            "dW = x.T @ delta;  db = delta.sum(axis=0). All of it before any weight is updated."),
           ("chain.backward", "sites.AFFINE"), families=("propagation",)),
    Lesson(("transpose", "transposed", "shape", "axis"),
           ("Shapes tell which side is transposed: a gradient has the shape of what it is of.",
            "(in, units) = (in, rows) @ (rows, units): dW = x.T @ delta",
            "(rows, in) = (rows, units) @ (units, in): dx = delta @ W.T",
            "(units,) = (rows, units) summed over axis 0: db"),
           ("sites.AFFINE",), names=("*-transposed", "bias-summed-*", "bias-keepdims",
                                     "bias-not-summed-*")),
    Lesson(("activation", "activation function", "derivative", "nonlinearity"),
           ("y = f(z), an entry at a time, so dL/dz = dL/dy * f'(z)",
            "f' is taken at z, what went into f, or written by y: sigmoid y (1 - y), tanh 1 - y²."),
           ("activations.ACTIVATIONS", "layers.activation"), families=("activation",)),
    Lesson(("sigmoid", "logistic"),
           ("y = 1 / (1 + exp(-z));  f'(z) = y (1 - y), at most 1/4",
            "y is the output: sigmoid(y) (1 - sigmoid(y)) applies f twice."),
           ("activations.sigmoid", "activations.sigmoid_derivative"),
           entries=(("activations", "sigmoid"),), more=("explain binary_cross_entropy",)),
    Lesson(("tanh",), ("y = tanh(z);  f'(z) = 1 - y²",), ("activations.tanh_derivative",),
           entries=(("activations", "tanh"),)),
    Lesson(("relu", "rectifier", "rectified linear unit", "dead unit"),
           ("y = max(z, 0);  f'(z) = 1 where z > 0, and 0 where z < 0",
            "At z = 0 there is no derivative: 0 is what most programs take, and any slope between "
            "0 and 1 is right."),
           ("activations.ACTIVATIONS",), names=("wrong-for-dead-unit",),
           entries=(("activations", "relu"),)),
    Lesson(("leaky relu", "lrelu", "prelu"),
           ("y = z where z > 0, and slope * z below;  f'(z) = 1 and slope",),
           ("activations.leaky_relu_derivative",), entries=(("activations", "leaky_relu"),)),
    Lesson(("softplus",), ("y = log(1 + exp(z));  f'(z) = sigmoid(z)",), ("activations.softplus",),
           entries=(("activations", "softplus"),)),
    Lesson(("silu", "swish"), ("y = z s, s = sigmoid(z);  f'(z) = s + z s (1 - s)",),
           ("activations.silu_derivative",), entries=(("activations", "silu"),)),
    Lesson(("gelu",),
           ("y = z Φ(z), Φ the normal distribution, φ its density;  f'(z) = Φ(z) + z φ(z)",
            "gelu_tanh is another function, with tanh in place of Φ, and has its own derivative."),
           ("activations.gelu", "activations.gelu_tanh_derivative"),
           entries=(("activations", "gelu"), ("activations", "gelu_tanh"))),
    Lesson(("elu", "selu"),
           ("y = z where z > 0, and alpha (exp(z) - 1) below;  f'(z) = 1 and alpha exp(z)",
            "selu is elu with a fixed alpha, times a fixed scale; so is its derivative."),
           ("activations.elu_derivative", "activations.selu_derivative"),
           entries=(("activations", "elu"), ("activations", "selu"))),
    Lesson(("log softmax",),
           ("y = z - log Σ_k exp(z_k);  dz = dy - softmax(z) * dy.sum(axis=-1, keepdims=True)",),
           ("activations.log_softmax_backward",), entries=(("activations", "log_softmax"),)),
    Lesson(("softmax", "jacobian"),
           ("y_i = exp(z_i) / Σ_k exp(z_k), over the units of one example",
            "Every z moves every y: dy_i/dz_j = y_i (1 if i = j else 0) - y_i y_j, and so",
            "dz = y * (dy - (y * dy).sum(axis=-1, keepdims=True))",
            "With cross-entropy behind it, both together are y - t."),
           ("activations.softmax", "activations.softmax_backward"),
           entries=(("activations", "softmax"),), more=("explain cross_entropy",)),
    Lesson(("squared error", "mse", "mean squared error", "l2 loss", "quadratic cost", "sse"),
           ("L = Σ (p - t)², so dL/dp = 2 (p - t)",
            "With 1/2 before it the 2 goes; with a mean, the gradient is divided by what the loss "
            "is divided by: the examples, or all the entries."),
           ("losses.LOSSES", "losses.factor"), names=("gradient-half", "gradient-doubled",
                                                      "gradient-*-batch*", "gradient-*-outputs"),
           entries=(("losses", "squared_error"),)),
    Lesson(("cross entropy", "log loss", "nll", "negative log likelihood",
            "categorical cross entropy", "crossentropy"),
           ("L = -Σ_i t_i log p_i for each example, so dL/dp_i = -t_i / p_i",
            "Behind a softmax both together are dL/dz = p - t (where the targets sum to 1)."),
           ("losses.cross_entropy", "losses.softmax_cross_entropy_gradient"),
           entries=(("losses", "cross_entropy"), ("losses", "softmax_cross_entropy"))),
    Lesson(("absolute error", "mae", "l1 loss", "mean absolute error"),
           ("L = Σ |p - t|, so dL/dp = sign(p - t)",), ("losses.LOSSES",),
           entries=(("losses", "absolute_error"),)),
    Lesson(("huber", "smooth l1", "huber loss"),
           ("L = (p - t)² / 2 where |p - t| <= delta, and delta (|p - t| - delta / 2) beyond",
            "dL/dp = p - t cut to [-delta, delta]"),
           ("losses.huber", "losses.huber_gradient"), entries=(("losses", "huber"),)),
    Lesson(("hinge", "hinge loss", "svm", "margin"),
           ("L = max(0, 1 - t p) with t = -1 or 1, so dL/dp = -t where t p < 1, and else 0",),
           ("losses.LOSSES",), names=("hinge-*",), entries=(("losses", "hinge"),)),
    Lesson(("kl divergence", "kl", "relative entropy"),
           ("L = Σ t log(t / p), so dL/dp = -t / p: that of the cross-entropy",),
           ("losses.kl_divergence",), names=("divergence-*",),
           entries=(("losses", "kl_divergence"),)),
    Lesson(("binary cross entropy", "bce", "logistic loss"),
           ("L = -t log p - (1 - t) log(1 - p), so dL/dp = (p - t) / (p (1 - p))",
            "Behind a sigmoid both together are dL/dz = p - t: no further sigmoid derivative."),
           ("losses.binary_cross_entropy", "losses.sigmoid_cross_entropy"),
           names=("output-derivative-twice", "binary-*"),
           entries=(("losses", "binary_cross_entropy"), ("losses", "sigmoid_cross_entropy"))),
    Lesson(("loss", "cost", "objective", "criterion", "error function"),
           ("The gradient is that of the loss which is reported: each factor 1/2, 2 or 1/N before "
            "the loss is before the gradient too.",),
           ("losses.LOSSES",), families=("loss",), more=("list losses",)),
    Lesson(("reduction", "mean", "average", "batch size", "1/n", "divide by n", "batch",
            "minibatch", "mini batch", "sum or mean"),
           ("sum:             L = Σ over examples and outputs; the gradient is a plain sum",
            "mean_over_batch: L / N with N examples; each gradient / N, once",
            "mean:            L / (N outputs); each gradient / (N outputs), once",
            "Divide delta at the loss, and nothing behind it: all gradients are sums of delta."),
           ("losses.factor",), names=("gradient-*-batch*", "gradient-*-outputs", "bias-averaged-*",
                                      "weights-averaged-*", "wrong-at-batch-*")),
    Lesson(("update", "learning rate", "step", "sgd", "gradient descent", "descent", "optimizer",
            "optimiser", "training", "train", "lr", "update rule"),
           ("W = W - rate * dW;  b = b - rate * db",
            "All gradients first, by the weights of the forward pass; then all updates."),
           ("training.update", "training.UPDATES"), families=("update",),
           names=("update-*", "biases-not-updated", "weights-updated-*", "parameters-updated-*",
                  "gradients-accumulate")),
    Lesson(("zero grad", "accumulate", "accumulation", "state", "cache", "stale"),
           ("The same question has the same answer, however often it is asked: gradients start at "
            "zero, and what the forward pass keeps is of this batch.",),
           ("backprop.evaluate",), families=("state",), names=("update-gradients-*",)),
    Lesson(("momentum", "velocity", "heavy ball"),
           ("v = momentum * v - rate * dW;  W = W + v, with v = 0 at the start",),
           ("training.heavy_ball",), names=("momentum-*", "velocity-*"),
           entries=(("updates", "momentum"),)),
    Lesson(("nesterov", "nesterov momentum", "nag"),
           ("v = momentum * v - rate * dW;  W = W + momentum * v - rate * dW",),
           ("training.nesterov",), names=("nesterov-*", "momentum-is-nesterov"),
           entries=(("updates", "nesterov"),)),
    Lesson(("adam", "adamw", "bias correction"),
           ("m = beta1 m + (1 - beta1) g;  s = beta2 s + (1 - beta2) g²",
            "W = W - rate * (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + epsilon), t = 1, 2, 3",
            "AdamW takes rate * decay * W off besides, past both means."),
           ("training.adam",), names=("adam-*",), entries=(("updates", "adam"),)),
    Lesson(("rmsprop", "adagrad"),
           ("s = rho s + (1 - rho) g²;  W = W - rate * g / (sqrt(s) + epsilon)",),
           ("training.rmsprop",), names=("rmsprop-*",), entries=(("updates", "rmsprop"),)),
    Lesson(("weight decay", "decay", "l2", "regularisation", "regularization", "penalty", "ridge"),
           ("L + l2 / 2 ΣW², so l2 W is added to dW; biases are exempt as a rule.",
            "It is in the loss and in the gradient, or in neither."),
           ("regularised.penalty_gradients", "training.UPDATES"),
           names=("decay-*", "penalty-*", "*-decay-*"), entries=(("updates", "decay"),)),
    Lesson(("clipping", "clip", "gradient clipping", "exploding gradient", "exploding gradients"),
           ("By norm: every gradient times limit / norm, where the norm over all of them together "
            "exceeds the limit; the direction stays.",),
           ("training.clip_norm",), names=("clip-*", "gradient-clipped*", "delta-clipped*"),
           entries=(("updates", "clip_norm"),)),
    Lesson(("vanishing gradient", "vanishing gradients", "saturation", "overflow", "underflow",
            "nan", "inf", "numerical stability", "log sum exp"),
           ("exp(z) overflows above 709 (float32: 88): take exp(-|z|), or z - max(z) in a softmax.",
            "log(p) of a p that has rounded to 0 is infinite: take the loss of the logits.",
            "A gradient that vanishes is no mistake: it is 0 in truth, and judged as such."),
           ("activations.sigmoid", "activations.softmax", "activations.log_softmax"),
           families=("forward", "precision"),
           names=("softmax-without-*", "log-*", "wrong-for-saturated-*")),
    Lesson(("gradient check", "gradient checking", "numerical gradient", "finite differences",
            "gradcheck"),
           ("(L(w + h) - L(w - h)) / (2 h): it is off by h² and by rounding / h, so it has half of "
            "the digits at most.",
            "Here differences are one witness of several, with an estimate of their own error."),
           ("backprop.evaluate",), names=("gradient-by-differences", "one-entry-off"),
           more=("list oracles", "explain differences")),
    Lesson(("batch norm", "batchnorm", "batch normalisation", "batch normalization", "bn"),
           ("y = scale * x̂ + bias, x̂ = (x - mean) / sqrt(variance + epsilon), over the batch",
            "dscale = (dy * x̂).sum(axis=0);  dbias = dy.sum(axis=0);  g = dy * scale",
            "dx = (g - g.mean(0) - x̂ * (g * x̂).mean(0)) / sqrt(variance + epsilon)",
            "The mean and the variance depend on x: the two means are what comes through them."),
           ("layers.normalisation.back",), families=("batch_norm",)),
    Lesson(("layer norm", "layernorm", "layer normalisation", "layer normalization",
            "normalisation", "normalization"),
           ("y = scale * x̂ + bias, x̂ = (x - mean) / sqrt(variance + epsilon), in each example",
            "dscale = (dy * x̂).sum(axis=0);  dbias = dy.sum(axis=0);  g = dy * scale",
            "dx = (g - mean(g) - x̂ * mean(g * x̂)) / sqrt(variance + epsilon), over the features"),
           ("layers.normalisation.back",), families=("layer_norm",)),
    Lesson(("rnn", "recurrent", "bptt", "backpropagation through time", "sequence"),
           ("h_t = f(x_t W + h_(t-1) U + b), one W, U and b for all steps",
            "From the last step back: delta_t = (dL/dh_t + delta_(t+1) Uᵀ) * f'(z_t)",
            "dW = Σ_t x_tᵀ delta_t;  dU = Σ_t h_(t-1)ᵀ delta_t;  db = Σ_t delta_t over rows"),
           ("layers.recurrent.rnn_backward", "layers.recurrent.one_step_back"), families=("rnn",)),
    Lesson(("lstm", "gate", "forget gate", "cell"),
           ("c_t = f_t c_(t-1) + i_t g_t;  h_t = o_t tanh(c_t)",
            "dc_t = dh_t o_t (1 - tanh²(c_t)) + dc_(t+1) f_(t+1): two paths, added"),
           ("layers.recurrent.lstm_backward",), families=("lstm",)),
    Lesson(("gru", "gated recurrent unit"),
           ("h_t = (1 - z_t) n_t + z_t h_(t-1): h_(t-1) is reached by this line and by the gates",),
           ("layers.recurrent.gru_backward",), families=("gru",)),
    Lesson(("convolution", "conv", "cnn", "conv layer", "filter"),
           ("y = Σ over the window of x w: one w and one b for all places",
            "dw: at every place, the window of x times delta, all places summed",
            "db: delta summed over examples and places;  dx: delta spread back by the same w"),
           ("layers.convolution",), families=("convolution",)),
    Lesson(("pooling", "max pool", "maxpool", "pool", "average pooling", "max pooling"),
           ("max: the error goes to the entry that was largest, and to it alone",
            "mean: the error is shared out, each entry of the window gets 1 / size of it"),
           ("layers.pooling.backward",), families=("pooling", "global_pool")),
    Lesson(("dropout", "mask"),
           ("y = x * mask / (1 - rate);  dx = dy * mask / (1 - rate), with the very same mask",),
           ("layers.dropout.backward",), families=("dropout",)),
    Lesson(("embedding", "lookup", "one hot"),
           ("y = W[index];  dW[index] += dy: an index that occurs twice is added twice",),
           ("layers.embedding.backward",), families=("embedding", "tied_embedding")),
    Lesson(("attention", "transformer", "self attention", "query", "scaled dot product"),
           ("S = Q Kᵀ / sqrt(d);  A = softmax(S);  Y = A V",
            "dV = Aᵀ dY;  dA = dY Vᵀ;  dS = A * (dA - rowsum(A * dA))",
            "dQ = dS K / sqrt(d);  dK = dSᵀ Q / sqrt(d); x gets all three"),
           ("layers.attention",), families=("attention", "transformer_block")),
    Lesson(("residual", "skip connection", "parallel", "branch"),
           ("y = x + g(x): the error reaches x twice, dx = dy + what comes back through g",),
           ("layers.parallel.backward",), families=("transformer_block",)),
)


def plain(word: str) -> str:
    """"Batch-Norm " -> "batch norm"."""
    return " ".join(word.casefold().replace("_", " ").replace("-", " ").split())


WORDS: Mapping[str, Lesson] = {plain(word): row for row in LESSONS for word in row.words}


def lesson(word: str) -> Lesson | None:
    """The lesson of this word, be it written with blanks, hyphens or underscores; or None."""
    typed = plain(word)
    return WORDS.get(typed) or WORDS.get(typed.removesuffix("s"))


def unknown(word: str, *tables: Mapping[str, object]) -> DescriptionError:
    """The refusal of a word that nothing is known by: names near to it, and how to see them all."""
    names = {plain(name): name for table in (WORDS, *tables) for name in table}
    typed = plain(word)
    near = difflib.get_close_matches(typed, list(names), n=3, cutoff=0.6)
    within = [name for name in names if typed and typed in name.split()]
    found = list(dict.fromkeys(names[each] for each in [*near, *within]))[:5]
    meant = f"did you mean {' or '.join(found)}?" if found else "nothing is called like it."
    return DescriptionError(f"explain: unknown {visible(word, 60)!r}; {meant} "
                            "`python -m backproof explain` shows what there is")
