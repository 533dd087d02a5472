"""GPyTorch: covariance matrices, whose derivative by the lengthscale is kept from the forward."""

import importlib.util
import math
import sys

import torch
from backproof import program
from package_shelf import folder


def _function(name):
    """The one file: its package brings linear_operator and pyro in."""
    path = folder("gpytorch") / "gpytorch" / "functions" / f"{name}.py"
    if not path.exists():
        raise ImportError("gpytorch")
    spec = importlib.util.spec_from_file_location(f"gpytorch_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


RBF = _function("rbf_covariance").RBFCovariance
MATERN = _function("matern_covariance").MaternCovariance
POINTS = {"x": {"shape": ("N", "D"), "grad": False, "values": "usual"},
          "y": {"shape": ("M", "D"), "grad": False, "values": "usual"},
          "lengthscale": {"shape": (1, 1), "values": "positive"}}
SIZES = {"N": (1, 17), "M": (1, 17), "D": (1, 5)}


def squared(x, y):
    off = x[:, None] - y[None]
    return (off * off).sum(-1)


@program(plain=lambda x, y, lengthscale: torch.exp(
    -squared(x / lengthscale, y / lengthscale) / 2.0),
    inputs=POINTS, dtypes=["float32"], sizes=SIZES)
def rbf(x, y, lengthscale):
    return RBF.apply(x, y, lengthscale, squared)


def distance(x, y):
    return squared(x, y).sqrt()


def plain_matern(x, y, lengthscale, nu):
    r = distance(x / lengthscale, y / lengthscale) * math.sqrt(2.0 * nu)
    polynomial = {0.5: 1.0, 1.5: 1.0 + r, 2.5: 1.0 + r + r * r / 3.0}[nu]
    return polynomial * torch.exp(-r)


@program(plain=plain_matern, inputs=POINTS, dtypes=["float32"], sizes=SIZES,
         options={"nu": [0.5, 1.5, 2.5]})
def matern(x, y, lengthscale, nu):
    return MATERN.apply(x, y, lengthscale, nu, distance)
