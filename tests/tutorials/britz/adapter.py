import program
from backproof import Head, Layout, training_step

target = training_step(
    dict, make=lambda network, rate: program.init_model(*network.sizes), rate=program.epsilon,
    weights=["W1", "W2"], biases=["b1", "b2"], layout=Layout(bias="row"),
    train=lambda model, X, y, rate: program.train_step(model, X, y), rule={"decay": program.reg_lambda},
    hidden=["tanh"], heads=[Head("softmax", "cross_entropy", "sum", targets="index", logits=20)])
