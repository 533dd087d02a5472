from backproof import Head, training_step
from program import TwoLayerNet, train_step

target = training_step(TwoLayerNet, weights=["params.W1", "params.W2"], biases=["params.b1", "params.b2"],
                       train=train_step, hidden=["sigmoid"],
                       heads=[Head("softmax", "cross_entropy", targets="one_hot")])
