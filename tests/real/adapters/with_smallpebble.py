"""SmallPebble 3.0.5: its Variables and `get_gradients`."""

import shelf
from backproof import Head, implementation

shelf.use("smallpebble")
import smallpebble as sp  # noqa: E402


def run(network, parameters, inputs, loss):
    leaves = {name: sp.Variable(value) for name, value in parameters.items()}
    x = given = sp.Variable(inputs)
    W, b = network.unpack(leaves)
    for i, (w, c) in enumerate(zip(W, b, strict=True)):
        x = sp.add(sp.matmul(x, w), c)
        if i < len(W) - 1:
            x = sp.leaky_relu(x)
    value = loss(x)
    found = sp.get_gradients(value)
    return value.array, {**{name: found[leaf] for name, leaf in leaves.items()},
                         "inputs": found[given]}


@implementation(hidden=[{"function": "leaky_relu", "slope": 0.02}])
def squared(network, parameters, inputs, targets):
    return run(network, parameters, inputs,
               lambda p: sp.sum(sp.square(sp.sub(p, sp.Variable(targets)))))


@implementation(hidden=[{"function": "leaky_relu", "slope": 0.02}],
                heads=[Head("identity", "softmax_cross_entropy", targets="index")])
def cross_entropy(network, parameters, inputs, targets):
    return run(network, parameters, inputs, lambda z: sp.cross_entropy(sp.softmax(z), targets))
