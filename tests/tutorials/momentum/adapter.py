from backproof import Head, Layout, training_step
from program import MomentumNet

target = training_step(MomentumNet, weights="W", biases="b", layout=Layout(bias="row"), train="train_on_batch",
                       rule={"momentum": 0.9}, hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
