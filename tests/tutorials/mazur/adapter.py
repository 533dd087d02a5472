import numpy as np
import program
from backproof import Head, training_step
from program import NeuralNetwork

# math.exp raises beyond 710, where NumPy's gives infinity; without this line that is what is found
program.math.exp = lambda z: float(np.exp(z))

def load(net, W, b):
    for layer, w, bias in zip((net.hidden_layer, net.output_layer), W, b):
        layer.bias = float(bias[0])
        for neuron, row in zip(layer.neurons, w.T.tolist()):
            neuron.weights, neuron.bias = row, layer.bias

def read(net):
    layers = (net.hidden_layer, net.output_layer)
    return [list(zip(*[n.weights for n in each.neurons])) for each in layers], [[each.bias] for each in layers]

target = training_step(
    NeuralNetwork, load=load, read=read, rate="LEARNING_RATE", bias="layer", batch=1, depth=(2, 2),
    train=lambda net, x, t, rate: net.train(x[0].tolist(), t[0].tolist()),
    hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
