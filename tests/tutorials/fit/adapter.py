from backproof import Head, training_step
from program import MLP

def load(net, W, b):
    net.coefs_, net.intercepts_ = W, b

target = training_step(
    MLP, make=lambda network, rate: MLP(network.sizes[1:-1], rate, n_iter=1), train="fit",
    load=load, read=lambda net: (net.coefs_, net.intercepts_),
    hidden=["relu"], heads=[Head("identity", "squared_error", "mean_over_batch", 0.5)])
