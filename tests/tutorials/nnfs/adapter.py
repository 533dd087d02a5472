from backproof import Head, Layer, Layout, layers
from program import *

HOW = {"forward": "forward(x, training) -> self.output", "backward": "backward(dy) -> self.dinputs"}

target = layers(
    dense=Layer(Layer_Dense, {"weight": "weights", "bias": "biases"}, {"weight": "dweights", "bias": "dbiases"},
                layout=Layout(bias="row"), **HOW),
    relu=Layer(Activation_ReLU, **HOW),
    softmax_cross_entropy=Layer(Activation_Softmax_Loss_CategoricalCrossentropy,
                                backward="backward(self.output, t) -> self.dinputs"),
    squared_error=Layer(Loss_MeanSquaredError, reduce="mean", backward="backward(p, t) -> self.dinputs"),
    heads=[Head("identity", "softmax_cross_entropy", logits=6, targets="one_hot"), Head("identity", "squared_error")],
)
