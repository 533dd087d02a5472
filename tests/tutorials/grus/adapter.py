import backproof
from program import *

target = backproof.layers(
    dense=backproof.Layer(Linear, {"weight": "params.w", "bias": "params.b"}, {"weight": "grads.w", "bias": "grads.b"}),
    tanh=backproof.Layer(Tanh),
    squared_error=backproof.Layer(TSE, forward="loss", backward="grad(p, t)"),
)
