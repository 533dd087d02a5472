import backproof
from backproof import Layout, pair
from program import *

HOW = {"forward": "forward_propagation", "backward": "backward_propagation(dy, rate)"}

target = backproof.layers(
    dense=backproof.Layer(FCLayer, {"weight": "weights", "bias": "bias"}, layout=Layout(bias="row"), **HOW),
    tanh=backproof.Layer(make=lambda: ActivationLayer(tanh, tanh_prime), **HOW),
    squared_error=pair(mse, mse_prime, forwards="(t, p) -> loss", backwards="(t, p) -> dp"),
    batch=(1, 1),
)
