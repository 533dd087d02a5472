"""FANN 2.2.0, the library in C with double numbers: `fann_train`, one example at a time.

Incremental training; the step, divided by the learning rate. `steepness` 1/2 makes its sigmoid the
logistic function, and 1 makes its symmetric one tanh.
"""

import ctypes
import ctypes.util

import numpy as np
import shelf
from backproof import Head, implementation

RATE = 2.0**60  # the weights themselves are lost in the step, and so is their rounding
LINEAR, SIGMOID, SYMMETRIC = 0, 3, 5
FUNCTION = {"identity": (LINEAR, 1.0), "sigmoid": (SIGMOID, 0.5), "tanh": (SYMMETRIC, 1.0)}


class Connection(ctypes.Structure):
    _fields_ = (("source", ctypes.c_uint), ("to", ctypes.c_uint), ("weight", ctypes.c_double))


def load():
    fann = ctypes.CDLL(ctypes.util.find_library("doublefann") or "libdoublefann.so.2")
    fann.fann_create_standard_array.restype = ctypes.c_void_p
    fann.fann_run.restype = ctypes.POINTER(ctypes.c_double)
    fann.fann_get_MSE.restype = ctypes.c_float
    fann.fann_set_activation_steepness_layer.argtypes = [ctypes.c_void_p, ctypes.c_double,
                                                         ctypes.c_int]
    fann.fann_set_learning_rate.argtypes = [ctypes.c_void_p, ctypes.c_float]
    return fann


fann = load()


def build(network, W, b, error_function):
    sizes = (ctypes.c_uint * len(network.sizes))(*network.sizes)
    net = ctypes.c_void_p(fann.fann_create_standard_array(len(network.sizes), sizes))
    fann.fann_set_training_algorithm(net, 0)  # FANN_TRAIN_INCREMENTAL
    fann.fann_set_train_error_function(net, error_function)
    fann.fann_set_learning_rate(net, RATE)
    for i, name in enumerate(shelf.functions(network), 1):
        function, steepness = FUNCTION[name]
        fann.fann_set_activation_function_layer(net, function, i)
        fann.fann_set_activation_steepness_layer(net, steepness, i)
    rows = [np.vstack([w, c]).T.ravel() for w, c in zip(W, b, strict=True)]
    write(net, np.concatenate(rows))
    return net


def read(net):
    made = (Connection * fann.fann_get_total_connections(net))()
    fann.fann_get_connection_array(net, made)
    return made


def write(net, values):
    made = read(net)
    for each, value in zip(made, values, strict=True):
        each.weight = float(value)
    fann.fann_set_weight_array(net, made, len(made))


def one(network, W, b, x, t, error_function):
    """The squared error of one example, and its step, flat."""
    net = build(network, W, b, error_function)
    given, wanted = ((ctypes.c_double * len(v))(*v) for v in (x.tolist(), t.tolist()))
    p = np.array([fann.fann_run(net, given)[j] for j in range(len(t))])
    before = np.array([each.weight for each in read(net)])
    fann.fann_train(net, given, wanted)
    after = np.array([each.weight for each in read(net)])
    fann.fann_destroy(net)
    return 0.5 * np.sum((p - t) ** 2), (before - after) / RATE


def run(network, parameters, inputs, targets, error_function):
    W, b = network.unpack(parameters)
    found = [one(network, W, b, x, t, error_function)
             for x, t in zip(inputs, targets, strict=True)]
    flat, at, dW, db = np.sum([step for _, step in found], axis=0), 0, [], []
    for w in W:
        n, m = w.shape
        both = flat[at:at + (n + 1) * m].reshape(m, n + 1)
        dW.append(both[:, :-1].T.copy())
        db.append(both[:, -1].copy())
        at += (n + 1) * m
    return sum(loss for loss, _ in found), network.pack(dW, db)


SMALL = {"batch": (1, 8), "max_parameters": 200}


@implementation(heads=[Head("identity", "squared_error")], hidden=["identity"], **SMALL)
def linear(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, 0)


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")], **SMALL)
def sigmoid(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, 0)


@implementation(hidden=["tanh"], heads=[Head("tanh", "squared_error")], **SMALL)
def symmetric(network, parameters, inputs, targets):
    return run(network, parameters, inputs, targets, 0)


@implementation(hidden=["sigmoid"], heads=[Head("sigmoid", "squared_error")], **SMALL)
def default_error_function(network, parameters, inputs, targets):
    """FANN_ERRORFUNC_TANH, which it trains with unless told otherwise."""
    return run(network, parameters, inputs, targets, 1)
