from backproof import Layer, Layout, layers
from program import *

target = layers(
    dense=Layer(Linear, {"weight": "weight.value", "bias": "bias.value"},
                {"weight": "weight.grad", "bias": "bias.grad"}, forward="__call__", reset="zero_grad",
                layout=Layout(weight="out_in")),
    leaky_relu=Layer(LeakyReLU, forward="__call__", arguments=("slope",)),
    sigmoid_cross_entropy=Layer(BCEWithLogits, forward="__call__"),
)
