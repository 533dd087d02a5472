from backproof import Head, Layout, training_step
from program import L_model_backward, L_model_forward, initialize_parameters_deep, update_parameters

def train(parameters, X, Y, rate):
    AL, caches = L_model_forward(X, parameters)
    update_parameters(parameters, L_model_backward(AL, Y, caches), rate)

target = training_step(
    dict, make=lambda network, rate: initialize_parameters_deep(network.sizes), train=train,
    weights=["W1", "W2", "W3"], biases=["b1", "b2", "b3"], layout=Layout("out_in", "column", "columns"),
    hidden=["relu"], heads=[Head("sigmoid", "binary_cross_entropy", "mean_over_batch", logits=8)])
