from backproof import Head, Layout, training_step
from program import mlp

target = training_step(
    mlp, make=lambda network, rate: mlp(*[[[0.0] * n] for n in (network.sizes[0], network.sizes[2])], network.sizes[1]),
    weights=["weights1", "weights2"], bias_in_weight="last_row", layout=Layout(bias_sign=-1), train="mlptrain",
    hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", "sum", 0.5)])
