from backproof import Head, Layer, layers
from program import *

target = layers(
    dense=Layer(Linear, {"weight": "W", "bias": "b"}, {"weight": "grads.W", "bias": "grads.b"}),
    sigmoid=Layer(Sigmoid),
    model=Layer(Sequential, loss="loss(t)", backward="backward(t) -> dx"),
    heads=[Head("identity", "squared_error")],
)
