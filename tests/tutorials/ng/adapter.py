from backproof import Head, Layout, layers, pair
from program import *

COLUMNS = Layout("out_in", "column", "columns")

target = layers(
    dense=pair(linear_forward, linear_backward, "weight", "bias", layout=COLUMNS, averages=True),
    relu=pair(relu, relu_backward, layout=COLUMNS),
    sigmoid=pair(sigmoid, sigmoid_backward, layout=COLUMNS),
    binary_cross_entropy=pair(compute_cost, cost_backward, forwards="(p, t) -> loss", backwards="(p, t) -> dp",
                              layout=COLUMNS),
    heads=[Head("sigmoid", "binary_cross_entropy", reduction="mean_over_batch", logits=8)],
)
