from backproof import Head, training_step
from program import RegularizedNet

target = training_step(RegularizedNet, weights="weights", biases="biases", train="train_step", rule={"decay": 1e-3},
                       hidden=["relu"], heads=[Head("softmax", "cross_entropy", targets="one_hot")])
