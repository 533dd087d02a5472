"""A second backpropagation by somebody else, of closures: a layer returns its output and its way back.

It shares no code with the reference. Every layer, function and loss is a small part with a name; an embedding and the
dropout go through loops. A planted fault is another part in the place of one of them, as people write it wrong:

    net = planted("embedding-row-overwritten")       # planted(None, "embedding") is the right one
    report = verify(net)
"""

import math

import numpy as np
from backproof.plug.implementing import implementation
from backproof.properties.claims import Head

REDUCTIONS = ("sum", "mean_over_batch", "mean", "weighted")
FUNCTIONS = ("elu", "selu", "mish", "softsign", "hard_tanh", "hard_sigmoid", "relu6", "abs")
PLAIN = [Head("identity", "squared_error", reduction=r) for r in ("sum", "mean_over_batch")]

# By group, what is claimed: each mistake is looked for where it can be.
CLAIMS = {
    "functions": {"hidden": FUNCTIONS, "heads": [
        *PLAIN, *(Head("log_softmax", "inner_product", reduction=r) for r in ("sum", "weighted"))]},
    "losses": {"hidden": ("tanh",), "depth": (1, 3), "heads": [
        Head(f, name, reduction=r, **more) for r in REDUCTIONS for f, name, more in (
            ("identity", "squared_error", {}), ("identity", "huber", {}), ("identity", "huber", {"delta": 0.5}), ("identity", "huber", {"delta": 2.0}),
            ("identity", "hinge", {}), ("tanh", "squared_hinge", {}), ("softmax", "kl_divergence", {}),
            ("log_softmax", "kl_divergence_of_logs", {}), ("identity", "softmax_cross_entropy", {"smoothing": 0.1}))]},
    "dropout": {"hidden": ("tanh", "elu"), "layers": ("dense", "dropout", "sequence"), "heads": PLAIN},
    "embedding": {"hidden": ("tanh", "relu6"), "layers": ("dense", "embedding"), "heads": PLAIN},
    "tied_embedding": {"hidden": ("tanh",), "layers": ("dense", "embedding", "tied_embedding"), "heads": PLAIN},
    "gated": {"hidden": ("silu", "sigmoid", "tanh"), "layers": ("dense", "gated"), "heads": PLAIN},
}


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def softplus(z):
    return np.log1p(np.exp(-abs(z))) + np.maximum(z, 0)


# --- functions: value of z, and derivative of (z, a, options) -------------------------------------------------------

ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805
RIGHT = {
    "identity": lambda z, o: z,
    "identity'": lambda z, a, o: np.ones_like(z),
    "tanh": lambda z, o: np.tanh(z),
    "tanh'": lambda z, a, o: 1 - a**2,
    "sigmoid": lambda z, o: sigmoid(z),
    "sigmoid'": lambda z, a, o: a * (1 - a),
    "silu": lambda z, o: z * sigmoid(z),
    "silu'": lambda z, a, o: sigmoid(z) * (1 + z * (1 - sigmoid(z))),
    "elu": lambda z, o: np.where(z > 0, z, o["alpha"] * np.expm1(np.minimum(z, 0))),
    "elu'": lambda z, a, o: np.where(z > 0, 1, a + o["alpha"]),
    "selu": lambda z, o: SCALE * np.where(z > 0, z, ALPHA * np.expm1(np.minimum(z, 0))),
    "selu'": lambda z, a, o: np.where(z > 0, SCALE, a + SCALE * ALPHA),
    "mish": lambda z, o: z * np.tanh(softplus(z)),
    "mish'": lambda z, a, o: np.tanh(softplus(z)) + z * (1 - np.tanh(softplus(z)) ** 2) * sigmoid(z),
    "softsign": lambda z, o: z / (1 + abs(z)),
    "softsign'": lambda z, a, o: 1 / (1 + abs(z)) ** 2,
    "hard_tanh": lambda z, o: np.clip(z, -1, 1),
    "hard_tanh'": lambda z, a, o: abs(z) < 1,
    "hard_sigmoid": lambda z, o: np.clip(o["slope"] * z + 0.5, 0, 1),
    "hard_sigmoid'": lambda z, a, o: o["slope"] * ((a > 0) & (a < 1)),
    "relu6": lambda z, o: np.minimum(np.maximum(z, 0), 6),
    "relu6'": lambda z, a, o: (z > 0) & (z < 6),
    "abs": lambda z, o: abs(z),
    "abs'": lambda z, a, o: np.sign(z),
}


def log_softmax(z):
    z = z - z.max(axis=-1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=-1, keepdims=True))


def softmax_back(a, da):
    return a * (da - (a * da).sum(axis=-1, keepdims=True))


def log_softmax_back(a, da):
    return da - np.exp(a) * da.sum(axis=-1, keepdims=True)


RIGHT |= {"softmax_back": softmax_back, "log_softmax_back": log_softmax_back}

# --- losses: unreduced, and the gradient of the sum; K: the number of classes ---------------------------------------


def xlogx(t):
    return np.array([v * math.log(v) if v > 0 else 0.0 for v in t.ravel()], dtype=t.dtype).reshape(t.shape)


def classes(p, t):
    return t if t.ndim == p.ndim else np.eye(p.shape[-1], dtype=p.dtype)[t]


def smooth(p, t, loss):
    return classes(p, t) * (1 - loss.smoothing) + loss.smoothing / p.shape[-1]


RIGHT |= {
    "squared_error": lambda p, t, loss: (p - t) ** 2,
    "squared_error'": lambda p, t, loss: 2 * (p - t),
    "inner_product": lambda p, t, loss: p * t,
    "inner_product'": lambda p, t, loss: t,
    "huber": lambda p, t, loss: np.where(abs(p - t) <= loss.delta, (p - t) ** 2 / 2,
                                         loss.delta * abs(p - t) - loss.delta**2 / 2),
    "huber'": lambda p, t, loss: np.clip(p - t, -loss.delta, loss.delta),
    "hinge": lambda p, t, loss: np.maximum(0, 1 - t * p),
    "hinge'": lambda p, t, loss: -t * (t * p < 1),
    "squared_hinge": lambda p, t, loss: np.maximum(0, 1 - t * p) ** 2,
    "squared_hinge'": lambda p, t, loss: -2 * t * np.maximum(0, 1 - t * p),
    "kl_divergence": lambda p, t, loss: (xlogx(t) - t * np.log(p)).sum(axis=-1),
    "kl_divergence'": lambda p, t, loss: -t / p,
    "kl_divergence_of_logs": lambda p, t, loss: xlogx(t) - t * p,
    "kl_divergence_of_logs'": lambda p, t, loss: -t,
    "softmax_cross_entropy": lambda z, t, loss: -(smooth(z, t, loss) * log_softmax(z)).sum(axis=-1),
    "softmax_cross_entropy'": lambda z, t, loss: (
        np.exp(log_softmax(z)) * smooth(z, t, loss).sum(axis=-1, keepdims=True) - smooth(z, t, loss)),
    "upstream": lambda c: c,
}

# --- layers ---------------------------------------------------------------------------------------------------------


def embedding_rows(shape, indices, dy, padding):
    dw = np.zeros(shape, dtype=dy.dtype)
    for i, d in zip(indices.ravel(), dy.reshape(-1, dy.shape[-1]), strict=True):
        dw[i] += d
    if padding is not None:
        dw[padding] = 0
    return dw


RIGHT |= {
    "look_up": lambda w, i: w[i],
    "embedding_rows": embedding_rows,
    "tie": lambda total, more: total + more,
    "drop": lambda x, mask, rate: x * mask / (1 - rate),
    "drop_back": lambda dy, mask, rate: dy * mask / (1 - rate),
    "gate_back": lambda a, b, dy: (dy * b, dy * a),
}


def program(parts):
    """The backprop of these parts."""
    def dense(spec, name, x, values, add):
        shared = spec.share is not None
        key = f"{spec.share if shared else name}.weight"
        w = values[key].T if spec.transpose else values[key]
        b = values.get(f"{name}.bias")
        y = np.tensordot(x, w, 1) if b is None else np.tensordot(x, w, 1) + b

        def back(dy):
            rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
            dw = sum((np.outer(r, d) for r, d in zip(rows[1:], drows[1:], strict=True)), np.outer(rows[0], drows[0]))
            add(key, dw.T if spec.transpose else dw, shared)
            if b is not None:
                add(f"{name}.bias", np.ones(len(drows), dy.dtype) @ drows)
            return np.tensordot(dy, w.T, 1)

        return y, back

    def activation(spec, name, z, values, add):
        f = spec.options["function"]
        if f in ("softmax", "log_softmax"):
            a = np.exp(log_softmax(z)) if f == "softmax" else log_softmax(z)
            return a, lambda da: parts[f"{f}_back"](a, da)
        a = parts[f](z, spec.options)
        return a, lambda da: (da * parts[f"{f}'"](z, a, spec.options)).astype(da.dtype)

    def dropout(spec, name, x, values, add):
        mask, rate = values[f"{name}.mask"], spec.options["rate"]
        return parts["drop"](x, mask, rate), lambda dy: parts["drop_back"](dy, mask, rate)

    def embedding(spec, name, i, values, add):
        w = values[f"{name}.weight"]

        def back(dy):
            add(f"{name}.weight", parts["embedding_rows"](w.shape, i, dy, spec.options["padding_index"]), True)

        return parts["look_up"](w, i), back

    def parallel(spec, name, x, values, add):
        """Two branches, multiplied."""
        (a, back_a), (b, back_b) = (chain(branch, f"{name}.{i}.", x, values, add)
                                    for i, branch in enumerate(spec.branches))

        def back(dy):
            da, db = parts["gate_back"](a, b, dy)
            da, db = back_a(da), back_b(db)
            return None if da is None else da + db

        return a * b, back

    kinds = {"dense": dense, "activation": activation, "dropout": dropout, "embedding": embedding,
             "parallel": parallel}

    def chain(layers, prefix, x, values, add):
        backs = []
        for i, spec in enumerate(layers):
            x, back = kinds[spec.kind](spec, f"{prefix}{i}", x, values, add)
            backs.append(back)

        def back(dy):
            for each in reversed(backs):
                dy = each(dy)
            return dy

        return x, back

    def backprop(network, parameters, inputs, targets):
        gradients = {}

        def add(name, gradient, shared=False):
            gradients[name] = parts["tie"](gradients[name], gradient) if name in gradients else gradient

        p, back = chain(network.layers, "", inputs, parameters, add)
        loss = network.loss
        each, dp = parts[loss.kind](p, targets, loss), parts[f"{loss.kind}'"](p, targets, loss)
        if loss.reduction == "weighted":
            c = parameters["loss.cotangent"]
            total, up = (each * c).sum(), parts["upstream"](c)
            dp = dp * (up if each.ndim == p.ndim else up[..., None])
        else:
            count = {"sum": 1, "mean_over_batch": len(p), "mean": each.size}[loss.reduction]
            total, dp = each.sum() / count, dp / count
        dx = back((dp * loss.scale).astype(p.dtype))
        return (total * loss.scale).astype(p.dtype), gradients if dx is None else {**gradients, "inputs": dx}

    return backprop


# --- planting -------------------------------------------------------------------------------------------------------


def last_row_only(shape, indices, dy, padding):
    dw = np.zeros(shape, dtype=dy.dtype)
    dw[indices] = dy
    if padding is not None:
        dw[padding] = 0
    return dw


def averaged_rows(shape, indices, dy, padding):
    counts = np.bincount(indices.ravel(), minlength=shape[0])
    dw = embedding_rows(shape, indices, dy, padding)
    return (dw / np.maximum(counts, 1)[:, None]).astype(dy.dtype)


def first_example(shape, indices, dy, padding):
    return embedding_rows(shape, np.stack([indices[0]] * len(indices)), dy, padding)


def all_rows(shape, indices, dy, padding):
    dw = np.zeros(shape, dtype=dy.dtype)
    dw[:] = dy.reshape(-1, dy.shape[-1]).mean(axis=0)
    if padding is not None:
        dw[padding] = 0
    return dw


def first_for_all(c):
    return np.full_like(c, c.ravel()[0])


PLANTED = {
    "elu-derivative-of-preactivation": ("functions", {
        "elu'": lambda z, a, o: np.where(z > 0, 1, z + o["alpha"])}),
    "selu-scale-left-out": ("functions", {"selu'": lambda z, a, o: np.where(z > 0, 1, ALPHA * np.exp(np.minimum(z, 0)))}),
    "relu6-not-cut-on-the-way-back": ("functions", {"relu6'": lambda z, a, o: a > 0}),
    "hard-tanh-not-cut-on-the-way-back": ("functions", {"hard_tanh'": lambda z, a, o: (a >= -1) & (a <= 1)}),
    "hard-sigmoid-derivative-one": ("functions", {"hard_sigmoid'": lambda z, a, o: (a > 0) & (a < 1)}),
    "hard-sigmoid-not-cut-on-the-way-back": ("functions", {"hard_sigmoid'": lambda z, a, o: o["slope"]}),
    "abs-derivative-one": ("functions", {"abs'": lambda z, a, o: np.sign(a)}),
    "softsign-derivative-not-squared": ("functions", {"softsign'": lambda z, a, o: 1 / (1 + abs(z))}),
    "mish-derivative-first-term-only": ("functions", {"mish'": lambda z, a, o: np.tanh(softplus(z))}),
    "mish-inner-derivative-left-out": ("functions", {
        "mish'": lambda z, a, o: np.tanh(softplus(z)) + z * (1 - np.tanh(softplus(z)) ** 2)}),
    "log-softmax-error-not-summed": ("functions", {"log_softmax_back": lambda a, da: da * (1 - np.exp(a))}),
    "log-softmax-own-term-left-out": ("functions", {
        "log_softmax_back": lambda a, da: -np.exp(a) * da.sum(axis=-1, keepdims=True)}),
    "log-softmax-not-exponentiated": ("functions", {
        "log_softmax_back": lambda a, da: da - a * da.sum(axis=-1, keepdims=True)}),
    "log-softmax-as-softmax": ("functions", {"log_softmax_back": lambda a, da: softmax_back(np.exp(a), da)}),
    "upstream-first-entry-for-all": ("losses", {"upstream": first_for_all}),
    "upstream-ignored": ("losses", {"upstream": lambda c: c**0}),
    "upstream-averaged": ("losses", {"upstream": lambda c: np.full_like(c, np.average(c))}),
    "huber-threshold-on-signed-difference": ("losses", {
        "huber'": lambda p, t, loss: np.minimum(p - t, loss.delta)}),
    "huber-delta-left-out": ("losses", {
        "huber'": lambda p, t, loss: np.where(abs(p - t) <= loss.delta, p - t, np.sign(p - t))}),
    "huber-not-cut": ("losses", {"huber'": lambda p, t, loss: p - t}),
    "hinge-sign": ("losses", {"hinge'": lambda p, t, loss: t * (t * p < 1),
                              "squared_hinge'": lambda p, t, loss: 2 * t * np.maximum(0, 1 - t * p)}),
    "hinge-margin-without-target": ("losses", {
        "hinge'": lambda p, t, loss: -t * (p < 1), "squared_hinge'": lambda p, t, loss: -2 * t * np.maximum(0, 1 - p)}),
    "hinge-margin-left-out": ("losses", {"hinge'": lambda p, t, loss: -t,
                                         "squared_hinge'": lambda p, t, loss: -2 * t * (1 - t * p)}),
    "hinge-target-left-out": ("losses", {"hinge'": lambda p, t, loss: -1.0 * (t * p < 1),
                                         "squared_hinge'": lambda p, t, loss: -2 * np.maximum(0, 1 - t * p)}),
    "divergence-by-the-target": ("losses", {
        "kl_divergence'": lambda p, t, loss: np.where(t > 0, np.log(np.where(t > 0, t, 1) / p) + 1, 0)}),
    "divergence-without-quotient": ("losses", {"kl_divergence'": lambda p, t, loss: -t}),
    "divergence-with-quotient": ("losses", {"kl_divergence_of_logs'": lambda p, t, loss: -t / np.exp(p)}),
    "smoothing-left-out-of-gradient": ("losses", {
        "softmax_cross_entropy'": lambda z, t, loss: (
            np.exp(log_softmax(z)) * classes(z, t).sum(axis=-1, keepdims=True) - classes(z, t))}),
    "smoothing-left-out-of-loss": ("losses", {
        "softmax_cross_entropy": lambda z, t, loss: -(classes(z, t) * log_softmax(z)).sum(axis=-1)}),
    "dropout-scaled-by-rate": ("dropout", {"drop_back": lambda dy, mask, rate: dy * mask * rate}),
    "dropout-not-scaled-on-the-way-back": ("dropout", {"drop_back": lambda dy, mask, rate: dy * mask}),
    "dropout-mask-left-out-on-the-way-back": ("dropout", {"drop_back": lambda dy, mask, rate: dy / (1 - rate)}),
    "dropout-left-out-on-the-way-back": ("dropout", {"drop_back": lambda dy, mask, rate: dy}),
    "dropout-never-scaled": ("dropout", {"drop": lambda x, mask, rate: x * mask,
                                         "drop_back": lambda dy, mask, rate: dy * mask}),
    "dropout-scaled-twice-on-the-way-back": ("dropout", {
        "drop_back": lambda dy, mask, rate: dy * mask / (1 - rate) / (1 - rate)}),
    "dropout-scaled-twice": ("dropout", dict.fromkeys(
        ("drop", "drop_back"), lambda x, mask, rate: x * mask / (1 - rate) ** 2)),
    "dropout-mask-of-another-example": ("dropout", {"drop_back": lambda dy, mask, rate: dy * mask[::-1] / (1 - rate)}),
    "embedding-row-overwritten": ("embedding", {"embedding_rows": last_row_only}),
    "embedding-row-averaged": ("embedding", {"embedding_rows": averaged_rows}),
    "embedding-padding-row-trained": ("embedding", {
        "embedding_rows": lambda shape, i, dy, padding: embedding_rows(shape, i, dy, None)}),
    "embedding-indices-of-first-example": ("embedding", {"embedding_rows": first_example}),
    "embedding-all-rows": ("embedding", {"embedding_rows": all_rows}),
    "embedding-counted-from-one": ("embedding", {
        "look_up": lambda w, i: w[i - 1],
        "embedding_rows": lambda shape, i, dy, padding: embedding_rows(shape, i - 1, dy, padding)}),
    "tied-gradient-of-output-only": ("tied_embedding", {"tie": lambda total, more: total}),
    "tied-gradient-of-embedding-only": ("tied_embedding", {"tie": lambda total, more: more}),
    "gate-not-multiplied-by-the-other": ("gated", {"gate_back": lambda a, b, dy: (dy, dy)}),
    "gate-multiplied-by-itself": ("gated", {"gate_back": lambda a, b, dy: (dy * a, dy * b)}),
    "gate-first-branch-only": ("gated", {"gate_back": lambda a, b, dy: (dy * b, 0 * dy)}),
}


def planted(fault=None, group="functions"):
    """A fresh program with one fault planted in it and the claims of its group; the right one for None."""
    group, changes = (group, {}) if fault is None else PLANTED[fault]
    net = program(RIGHT | changes)
    net.__qualname__ = fault or f"right_{group}"
    return implementation(bias="any", dtypes=("float64", "float32"), **CLAIMS[group])(net)
