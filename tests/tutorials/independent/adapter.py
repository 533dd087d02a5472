import backproof
from backproof import Head, Layout, pair
from program import *

HOW = {"layout": Layout("out_in", "column", "columns"), "backward": "backward(dy, rate)"}

target = backproof.layers(
    dense=backproof.Layer(Dense, {"weight": "weights", "bias": "bias"}, **HOW),
    tanh=backproof.Layer(Tanh, **HOW), sigmoid=backproof.Layer(Sigmoid, **HOW), softmax=backproof.Layer(Softmax, **HOW),
    squared_error=pair(mse, mse_prime, forwards="(t, p) -> loss", backwards="(t, p) -> dp",
                       layout=Layout(batch="columns")),
    heads=[Head("identity", "squared_error"), Head("softmax", "squared_error", logits=20)], batch=(1, 1),
)
