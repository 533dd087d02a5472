from backproof import Head, Layout, training_step
from program import AdamNet

target = training_step(AdamNet, weights=["params.W1", "params.W2"], biases=["params.b1", "params.b2"],
                       layout=Layout(bias="row"), train="train_step", rule={"adam": {}}, hidden=["tanh"],
                       heads=[Head("sigmoid", "binary_cross_entropy", "mean_over_batch", logits=20)])
