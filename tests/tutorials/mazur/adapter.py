import numpy as np
from backproof import Head, training_step
from program import NeuralNetwork, math

# math.exp raises beyond 710, where NumPy's gives infinity; without this line that is what is found
math.exp = lambda z: float(np.exp(z))

def load(net, W, b):
    for layer, w, bias in zip((net.hidden_layer, net.output_layer), W, b):
        layer.bias = float(bias[0])
        for neuron, row in zip(layer.neurons, w.T.tolist()):
            neuron.weights, neuron.bias = row, layer.bias

read = lambda net: zip(*[(list(zip(*[n.weights for n in layer.neurons])), [layer.bias])
                         for layer in (net.hidden_layer, net.output_layer)])

target = training_step(
    NeuralNetwork, load=load, read=read, rate="LEARNING_RATE", bias="layer", batch=1, depth=(2, 2),
    train=lambda net, x, t, rate: net.train(x[0].tolist(), t[0].tolist()),
    hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
