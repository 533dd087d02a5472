from backproof import Head, training_step
from program import SimpleNN

target = training_step(SimpleNN, weights=["W1", "W2"], biases=["b1", "b2"], train="train_epoch",
                       batch=1, hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")])
