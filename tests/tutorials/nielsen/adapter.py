from backproof import Head, Layout, training_step
from program import Network

target = training_step(Network, weights="weights", biases="biases", train="update_mini_batch",
                       layout=Layout("out_in", "column", "columns"),
                       hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error", "mean_over_batch", 0.5)])
