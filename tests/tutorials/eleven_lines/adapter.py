from backproof import Head, training_step
from program import train_step

@training_step(rate=1.0, bias="never", depth=(2, 2), hidden=["sigmoid"],
               heads=[Head("sigmoid", "squared_error")])
def target(network, parameters, inputs, targets):
    (syn0, syn1), _ = network.unpack(parameters)
    train_step(syn0, syn1, inputs, targets)
