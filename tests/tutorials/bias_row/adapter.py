from backproof import Head, training_step
from program import MLP

target = training_step(MLP, weights="W", bias_in_weight="last_row", train="fit_batch",
                       hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
