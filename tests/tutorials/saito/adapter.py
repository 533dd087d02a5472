from backproof import Head, Layer, layers
from program import *

target = layers(
    dense=Layer(Affine, gradients={"weight": "dW", "bias": "db"}, arguments=("weight", "bias")),
    relu=Layer(Relu),
    sigmoid=Layer(Sigmoid),
    softmax_cross_entropy=Layer(SoftmaxWithLoss, own_loss=False),
    heads=[Head("identity", "softmax_cross_entropy", targets="one_hot", outputs=(2, None))],
)
