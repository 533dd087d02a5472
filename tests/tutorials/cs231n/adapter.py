from backproof import Head, layers, pair
from program import *

target = layers(
    dense=pair(affine_forward, affine_backward, "weight", "bias"),
    relu=pair(relu_forward, relu_backward),
    softmax_cross_entropy=pair(softmax_loss),
    heads=[Head("identity", "softmax_cross_entropy", targets="index")],
)
