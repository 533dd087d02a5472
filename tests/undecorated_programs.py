"""Right backward passes as people write them, with no decorator, and the decorator that each should carry.

RIGHT: a program, and what the decorator says. WRONG: one of these programs, a line of it, the wrong line, and the
known mistake that it is. Each has one activation and one head, and does not read the description of the network.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# --- sigmoid and squared errors ---------------------------------------------------------------------


def half_sum_of_squares(network, parameters, inputs, targets):
    """Sigmoids all the way, half the sum of squares."""
    W, b = network.unpack(parameters)
    a = [inputs]
    for w, c in zip(W, b, strict=True):
        z = a[-1] @ w
        a.append(sigmoid(z if c is None else z + c))
    dW, db = [], []
    delta = (a[-1] - targets) * a[-1] * (1 - a[-1])
    for i in reversed(range(len(W))):
        dW.insert(0, a[i].T @ delta)
        db.insert(0, None if b[i] is None else delta.sum(axis=0))
        delta = delta @ W[i].T * a[i] * (1 - a[i])
    return 0.5 * np.sum((a[-1] - targets) ** 2), network.pack(dW, db)


def columns_one_example_at_a_time(network, parameters, inputs, targets):
    """Column vectors and lists of matrices, an example at a time, the mean of the costs."""
    W, b = network.unpack(parameters)
    W, b = [w.T for w in W], [c.reshape(-1, 1) for c in b]
    nabla_w, nabla_b = [np.zeros_like(w) for w in W], [np.zeros_like(c) for c in b]
    cost = 0.0
    for x, y in zip(inputs, targets, strict=True):
        a = [x.reshape(-1, 1)]
        for w, c in zip(W, b, strict=True):
            a.append(sigmoid(np.dot(w, a[-1]) + c))
        error = a[-1] - y.reshape(-1, 1)
        cost += 0.5 * np.linalg.norm(error) ** 2
        delta = error * a[-1] * (1 - a[-1])
        for i in range(1, len(W) + 1):
            nabla_b[-i] += delta
            nabla_w[-i] += np.dot(delta, a[-i - 1].T)
            delta = np.dot(W[-i].T, delta) * a[-i - 1] * (1 - a[-i - 1])
    n = len(inputs)
    return cost / n, network.pack([g.T / n for g in nabla_w], [g.ravel() / n for g in nabla_b])


def two_layers_of_sigmoids(network, parameters, inputs, targets):
    """Always one hidden layer, by the names of its four arrays; mean of squares."""
    W1, b1 = parameters["0.weight"], parameters["0.bias"]
    W2, b2 = parameters["2.weight"], parameters["2.bias"]
    h = sigmoid(inputs @ W1 + b1)
    p = sigmoid(h @ W2 + b2)
    dz2 = 2 * (p - targets) / p.size * p * (1 - p)
    dz1 = dz2 @ W2.T * h * (1 - h)
    return np.mean((p - targets) ** 2), {"0.weight": inputs.T @ dz1, "0.bias": dz1.sum(0),
                                         "2.weight": h.T @ dz2, "2.bias": dz2.sum(0)}


def no_biases(network, parameters, inputs, targets):
    """Two matrices and nothing else: it asks for no bias."""
    W0, W1 = network.unpack(parameters)[0]
    l1 = sigmoid(inputs @ W0)
    l2 = sigmoid(l1 @ W1)
    l2_delta = (l2 - targets) * l2 * (1 - l2)
    l1_delta = l2_delta.dot(W1.T) * l1 * (1 - l1)
    return 0.5 * ((targets - l2) ** 2).sum(), {"0.weight": inputs.T @ l1_delta, "2.weight": l1.T @ l2_delta}


# --- tanh -------------------------------------------------------------------------------------------


def tanh_mean_of_all(network, parameters, inputs, targets):
    """Hidden tanh, mean over all elements."""
    W, b = network.unpack(parameters)
    acts = [inputs]
    for i in range(len(W)):
        z = np.dot(acts[-1], W[i]) + b[i]
        acts.append(z if i == len(W) - 1 else np.tanh(z))
    p = acts[-1]
    grad = 2 * (p - targets) / p.size
    dW, db = [0] * len(W), [0] * len(W)
    for i in range(len(W) - 1, -1, -1):
        dW[i] = np.dot(acts[i].T, grad)
        db[i] = np.sum(grad, axis=0)
        if i:
            grad = np.dot(grad, W[i].T) * (1 - acts[i] ** 2)
    return np.mean(np.square(p - targets)), network.pack(dW, db)


def tanh_lists(network, parameters, inputs, targets):
    """The same in lists of numbers, and a Python float."""
    loss, gradients = tanh_mean_of_all(network, parameters, inputs, targets)
    return float(loss), {name: gradient.tolist() for name, gradient in gradients.items()}


def recursive_tanh(network, parameters, inputs, targets):
    """One layer, then the rest of the network by itself; half the mean over the batch."""
    W, b = network.unpack(parameters)
    dW, db = [], []

    def through(x, i):
        if i == len(W):
            return 0.5 * ((x - targets) ** 2).sum() / len(x), (x - targets) / len(x)
        last = i == len(W) - 1
        z = x @ W[i] + b[i]
        loss, delta = through(z if last else np.tanh(z), i + 1)
        if not last:
            delta = delta / np.cosh(z) ** 2
        dW.append(x.T @ delta)
        db.append(delta.sum(axis=0))
        return loss, delta @ W[i].T

    loss, _ = through(inputs, 0)
    return loss, network.pack(dW[::-1], db[::-1])


def tanh_one_output(network, parameters, inputs, targets):
    """A regression of one number: what it has is flattened."""
    W1, b1, W2, b2 = (parameters[n] for n in ("0.weight", "0.bias", "2.weight", "2.bias"))
    if W2.shape[1] != 1:
        raise ValueError("one output only")
    h = np.tanh(inputs @ W1 + b1)
    y = (h @ W2 + b2).ravel()
    e = y - targets.ravel()
    dy = (2 * e / len(e))[:, None]
    dh = dy @ W2.T * (1 - h * h)
    return (e @ e) / len(e), {"2.weight": h.T @ dy, "2.bias": dy.sum(axis=0),
                              "0.weight": inputs.T @ dh, "0.bias": dh.sum(axis=0)}


def tanh_logits_binary(network, parameters, inputs, targets):
    """Binary cross-entropy of logits, the stable way, mean over all elements."""
    W, b = network.unpack(parameters)
    a = [inputs]
    for w, c in zip(W[:-1], b[:-1], strict=True):
        a.append(np.tanh(a[-1] @ w + c))
    z = a[-1] @ W[-1] + b[-1]
    loss = np.maximum(z, 0) - z * targets + np.log1p(np.exp(-np.abs(z)))
    d = (np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z))) - targets) / z.size
    dW, db = [], []
    for i in range(len(W) - 1, -1, -1):
        dW, db = [a[i].T @ d, *dW], [d.sum(0), *db]
        d = d @ W[i].T * (1 - a[i] ** 2)
    return loss.mean(), network.pack(dW, db)


# --- relu -------------------------------------------------------------------------------------------


def relu_mean_over_batch(network, parameters, inputs, targets):
    """Hidden relu, sum of squares within an example, mean over examples."""
    W, b = network.unpack(parameters)
    cache, a = [], inputs
    for i, (w, c) in enumerate(zip(W, b, strict=True)):
        z = a @ w + c
        cache.append((a, z))
        a = np.maximum(0, z) if i + 1 < len(W) else z
    loss = ((a - targets) ** 2).sum(axis=1).mean()
    grads_w, grads_b = {}, {}
    da = 2 * (a - targets) / a.shape[0]
    for i in reversed(range(len(W))):
        x, z = cache[i]
        dz = da if i + 1 == len(W) else da * (z > 0)
        grads_w[i], grads_b[i] = x.T @ dz, dz.sum(axis=0)
        da = dz @ W[i].T
    order = range(len(W))
    return loss, network.pack([grads_w[i] for i in order], [grads_b[i] for i in order])


def relu_softmax_labels(network, parameters, inputs, targets):
    """Classes as integers, a stable softmax, the mean of -log p."""
    W1, b1, W2, b2 = (parameters[n] for n in ("0.weight", "0.bias", "2.weight", "2.bias"))
    N = inputs.shape[0]
    hidden = np.maximum(0, inputs @ W1 + b1)
    scores = hidden @ W2 + b2
    scores = scores - scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss = -logs[np.arange(N), targets].sum() / N
    dscores = np.exp(logs)
    dscores[np.arange(N), targets] -= 1
    dscores /= N
    dhidden = dscores @ W2.T
    dhidden[hidden <= 0] = 0
    return loss, {"0.weight": inputs.T @ dhidden, "0.bias": np.sum(dhidden, axis=0),
                  "2.weight": hidden.T @ dscores, "2.bias": np.sum(dscores, axis=0)}


def relu_softmax_one_hot(network, parameters, inputs, targets):
    """One-hot classes, any depth."""
    W, b = network.unpack(parameters)
    a = [inputs]
    for i in range(len(W) - 1):
        a.append((a[-1] @ W[i] + b[i]).clip(min=0))
    z = a[-1] @ W[-1] + b[-1]
    z = z - z.max(axis=1, keepdims=True)
    logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    loss = -(targets * logs).sum() / len(z)
    delta = (np.exp(logs) - targets) / len(z)
    dW, db = [None] * len(W), [None] * len(W)
    for i in range(len(W) - 1, -1, -1):
        dW[i], db[i] = a[i].T @ delta, delta.sum(0)
        delta = (delta @ W[i].T) * (a[i] > 0)
    return loss, network.pack(dW, db)


def relu_in_float32(network, parameters, inputs, targets):
    """Everything in single precision."""
    f = np.float32
    W1, b1, W2, b2 = (parameters[n].astype(f) for n in ("0.weight", "0.bias", "2.weight", "2.bias"))
    x, t = inputs.astype(f), targets.astype(f)
    h = np.maximum(x @ W1 + b1, f(0))
    e = h @ W2 + b2 - t
    dz = f(2) * e / f(len(x))
    dh = dz @ W2.T * (h > 0)
    return (e * e).sum() / f(len(x)), {"0.weight": x.T @ dh, "0.bias": dh.sum(0), "2.weight": h.T @ dz,
                                       "2.bias": dz.sum(0)}


def three_layers_of_relu(network, parameters, inputs, targets):
    """Two hidden layers, always; the sum of squares."""
    (W1, W2, W3), (b1, b2, b3) = network.unpack(parameters)
    z1 = inputs @ W1 + b1
    a1 = np.where(z1 > 0, z1, 0)
    z2 = a1 @ W2 + b2
    a2 = np.where(z2 > 0, z2, 0)
    z3 = a2 @ W3 + b3
    d3 = 2 * (z3 - targets)
    d2 = np.where(z2 > 0, d3 @ W3.T, 0)
    d1 = np.where(z1 > 0, d2 @ W2.T, 0)
    return ((z3 - targets) ** 2).sum(), network.pack(
        [inputs.T @ d1, a1.T @ d2, a2.T @ d3], [d1.sum(0), d2.sum(0), d3.sum(0)])


def leaky_relu_column(network, parameters, inputs, targets):
    """A slope of 0.01, the batch in columns, half the mean over the batch."""
    W, b = network.unpack(parameters)
    X, Y, m = inputs.T, targets.T, inputs.shape[0]
    A, Z = [X], []
    for i in range(len(W)):
        Z.append(W[i].T @ A[-1] + b[i][:, None])
        A.append(Z[-1] if i == len(W) - 1 else np.where(Z[-1] > 0, Z[-1], 0.01 * Z[-1]))
    dZ = A[-1] - Y
    cost = np.sum(dZ**2) / (2 * m)
    dW, db = [None] * len(W), [None] * len(W)
    for i in range(len(W) - 1, -1, -1):
        dW[i] = (dZ @ A[i].T / m).T
        db[i] = np.squeeze(np.sum(dZ, axis=1, keepdims=True) / m, axis=1)
        if i:
            dZ = (W[i] @ dZ) * np.where(Z[i - 1] > 0, 1, 0.01)
    return cost, network.pack(dW, db)


# --- cross-entropies of probabilities ---------------------------------------------------------------


def sigmoid_binary_cross_entropy(network, parameters, inputs, targets):
    """Sigmoids and the binary cross-entropy of what comes out, the mean over the batch."""
    W, b = network.unpack(parameters)
    A = [inputs]
    for w, c in zip(W, b, strict=True):
        A.append(sigmoid(A[-1] @ w + c))
    p, m = A[-1], len(inputs)
    loss = -np.sum(targets * np.log(p) + (1 - targets) * np.log(1 - p)) / m
    dZ = (p - targets) / m
    dW, db = [], []
    for layer in range(len(W) - 1, -1, -1):
        dW.append(A[layer].T @ dZ)
        db.append(dZ.sum(axis=0))
        dZ = (dZ @ W[layer].T) * (A[layer] * (1 - A[layer]))
    return loss, network.pack(dW[::-1], db[::-1])


def sigmoid_softmax_log_p(network, parameters, inputs, targets):
    """A softmax, and then its logarithm; always one hidden layer."""
    W1, W2 = parameters["0.weight"], parameters["2.weight"]
    b1, b2 = parameters["0.bias"], parameters["2.bias"]
    h = sigmoid(inputs @ W1 + b1)
    p = softmax(h @ W2 + b2)
    loss = -np.sum(targets * np.log(p))
    dz = p - targets
    dh = dz @ W2.T * h * (1 - h)
    return loss, network.pack([inputs.T @ dh, h.T @ dz], [dh.sum(axis=0), dz.sum(axis=0)])


# --- one layer --------------------------------------------------------------------------------------


def linear_regression(network, parameters, inputs, targets):
    """One layer, and no more."""
    (W,), (b,) = network.unpack(parameters)
    error = inputs @ W + b - targets
    return np.mean(error**2), network.pack([2 * inputs.T @ error / error.size], [2 * error.sum(0) / error.size])


def logistic_regression(network, parameters, inputs, targets):
    """One layer with one output."""
    w, b = parameters["0.weight"], parameters["0.bias"]
    if w.shape != (inputs.shape[1], 1) or len(parameters) != 2:
        raise ValueError("one column of weights")
    p = sigmoid(inputs @ w + b)
    loss = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()
    return loss, {"0.weight": inputs.T @ (p - targets) / len(p), "0.bias": (p - targets).mean(axis=0)}


def softmax_regression(network, parameters, inputs, targets):
    """One layer of logits, loops over the examples, labels."""
    (W,), (b,) = network.unpack(parameters)
    dW, db, loss = np.zeros_like(W), np.zeros_like(b), 0.0
    for x, label in zip(inputs, targets, strict=True):
        scores = x.dot(W) + b
        scores -= scores.max()
        p = np.exp(scores) / np.exp(scores).sum()
        loss += np.log(np.exp(scores).sum()) - scores[label]
        for j in range(W.shape[1]):
            dW[:, j] += (p[j] - (j == label)) * x
            db[j] += p[j] - (j == label)
    n = len(inputs)
    return loss / n, network.pack([dW / n], [db / n])


BOTH = 'dtypes=["float64", "float32"]'
RIGHT = {
    half_sum_of_squares:
        f'hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", reduction="sum", scale=0.5)], bias="any", {BOTH}',
    columns_one_example_at_a_time:
        f'hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", reduction="mean_over_batch", scale=0.5)], {BOTH}',
    two_layers_of_sigmoids:
        f'hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", reduction="mean")], depth=(2, 2), {BOTH}',
    no_biases:
        'hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", reduction="sum", scale=0.5)], bias="never", '
        f'depth=(2, 2), {BOTH}',
    tanh_mean_of_all: f'hidden=["tanh"], heads=[Head("identity", "squared_error", reduction="mean")], {BOTH}',
    tanh_lists: f'hidden=["tanh"], heads=[Head("identity", "squared_error", reduction="mean")], {BOTH}',
    recursive_tanh:
        f'hidden=["tanh"], heads=[Head("identity", "squared_error", reduction="mean_over_batch", scale=0.5)], {BOTH}',
    tanh_one_output:
        'hidden=["tanh"], heads=[Head("identity", "squared_error", reduction="mean_over_batch", outputs=(1, 1))], '
        f'depth=(2, 2), {BOTH}',
    tanh_logits_binary: f'hidden=["tanh"], heads=[Head("sigmoid", "binary_cross_entropy", reduction="mean")], {BOTH}',
    relu_mean_over_batch:
        f'hidden=["relu"], heads=[Head("identity", "squared_error", reduction="mean_over_batch")], {BOTH}',
    relu_softmax_labels:
        'hidden=["relu"], heads=[Head("softmax", "cross_entropy", reduction="mean_over_batch", targets="index")], '
        f'depth=(2, 2), {BOTH}',
    relu_softmax_one_hot:
        'hidden=["relu"], heads=[Head("softmax", "cross_entropy", reduction="mean_over_batch", targets="one_hot")], '
        f'{BOTH}',
    relu_in_float32:
        'hidden=["relu"], heads=[Head("identity", "squared_error", reduction="mean_over_batch")], depth=(2, 2), '
        'dtypes=["float32"]',
    three_layers_of_relu:
        f'hidden=["relu"], heads=[Head("identity", "squared_error", reduction="sum")], depth=(3, 3), {BOTH}',
    leaky_relu_column:
        'hidden=["leaky_relu"], heads=[Head("identity", "squared_error", reduction="mean_over_batch", scale=0.5)], '
        f'{BOTH}',
    sigmoid_binary_cross_entropy:
        f'hidden=["sigmoid"], heads=[Head("sigmoid", "binary_cross_entropy", reduction="mean_over_batch")], {BOTH}',
    sigmoid_softmax_log_p:
        'hidden=["sigmoid"], heads=[Head("softmax", "cross_entropy", reduction="sum", targets="one_hot")], '
        f'depth=(2, 2), {BOTH}',
    linear_regression: f'heads=[Head("identity", "squared_error", reduction="mean")], depth=(1, 1), {BOTH}',
    logistic_regression:
        'heads=[Head("sigmoid", "binary_cross_entropy", reduction="mean_over_batch", outputs=(1, 1))], '
        f'depth=(1, 1), {BOTH}',
    softmax_regression:
        'heads=[Head("softmax", "cross_entropy", reduction="mean_over_batch", targets="index")], '
        f'depth=(1, 1), {BOTH}',
}

# --- wrong by one line: the program, the line, what stands there, the known mistake -----------------

WRONG = [
    (half_sum_of_squares, "delta = delta @ W[i].T * a[i] * (1 - a[i])", "delta = delta @ W[i].T",
     "derivative-missing"),
    (columns_one_example_at_a_time, "delta = error * a[-1] * (1 - a[-1])", "delta = error",
     "derivative-missing-in-output-layer"),
    (two_layers_of_sigmoids, '"0.bias": dz1.sum(0)', '"0.bias": dz1.mean(0)', "bias-averaged-over-batch"),
    (tanh_mean_of_all, "grad = 2 * (p - targets) / p.size", "grad = 2 * (p - targets)",
     "gradient-times-batch-and-outputs"),
    (tanh_logits_binary, "d = d @ W[i].T * (1 - a[i] ** 2)", "d = d @ W[i].T * (1 - a[i])",
     "tanh-derivative-not-squared"),
    (relu_softmax_labels, "dhidden[hidden <= 0] = 0", "pass", "derivative-missing-in-first-layer"),
    (relu_softmax_one_hot, "a[i].T @ delta, delta.sum(0)", "a[i].T @ delta, delta.sum(0, keepdims=True)",
     "bias-keepdims"),
    (three_layers_of_relu, "d1 = np.where(z1 > 0, d2 @ W2.T, 0)", "d1 = d2 @ W2.T",
     "derivative-missing-in-first-layer"),
    (sigmoid_binary_cross_entropy, "db.append(dZ.sum(axis=0))", "db.append(np.zeros_like(b[layer]))",
     "bias-never-updated"),
    (linear_regression, "error = inputs @ W + b - targets", "error = targets - inputs @ W - b", "gradient-negated"),
]
