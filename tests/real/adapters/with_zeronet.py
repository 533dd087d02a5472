"""zeronet 0.1.3: its pairs of functions, forward and backward."""

import shelf
from backproof import Head, implementation

shelf.use("zeronet")
from zeronet.core import function as f  # noqa: E402

FORWARD = {"relu": f.relu_forward, "sigmoid": f.sigmoid_forward}
BACKWARD = {"relu": f.relu_backward, "sigmoid": f.sigmoid_backward}


def run(network, parameters, inputs, targets):
    W, b = network.unpack(parameters)
    x, zs = [inputs], []
    for i, pair in enumerate(zip(W, b, strict=True)):
        zs.append(f.linear_forward(x[-1], pair))
        x.append(FORWARD[network.hidden[i]](zs[-1]) if i < len(W) - 1 else zs[-1])
    loss, delta = f.softmax_loss(x[-1], targets)
    dW, db = [None] * len(W), [None] * len(W)
    for i in reversed(range(len(W))):
        if i < len(W) - 1:
            delta = BACKWARD[network.hidden[i]](zs[i], delta)["x"]
        grads = f.linear_backward(x[i], (W[i], b[i]), delta)
        dW[i], db[i], delta = grads["w"], grads["b"], grads["x"]
    return loss, {**network.pack(dW, db), "inputs": delta}


@implementation(hidden=["relu"],
                heads=[Head("identity", "softmax_cross_entropy", targets="index")])
def relu(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)


@implementation(hidden=["sigmoid"],
                heads=[Head("identity", "softmax_cross_entropy", targets="index")])
def sigmoid(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets)
