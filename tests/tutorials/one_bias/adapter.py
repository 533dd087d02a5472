from backproof import Head, training_step
from program import TinyNet

target = training_step(TinyNet, weights=["w1", "w2"], biases=["b1", "b2"], train="train_step",
                       bias="layer", hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
