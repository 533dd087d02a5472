from backproof import Head, training_step
from program import NeuralNetwork

target = training_step(NeuralNetwork, weights=["W1", "W2"], biases=["b1", "b2"], train="train",
                       hidden=["tanh"], heads=[Head("softmax", "cross_entropy", targets="one_hot")])
