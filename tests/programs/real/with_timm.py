"""timm: activations that keep their input alone, and compute the derivative from it again."""

import importlib.util
import sys

import torch
from backproof import program
from package_shelf import folder
from torch_pointwise import SIZES, plain_hardswish, plain_mish


def _activations():
    """The one file: its package brings torchvision in."""
    path = folder("timm") / "timm" / "layers" / "activations_me.py"
    if not path.exists():
        raise ImportError("timm")
    spec = importlib.util.spec_from_file_location("timm_activations_me", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TIMM = _activations()


def activation(function, plain):
    """Composed of PyTorch's operations, so that everything is rounded to what it is stored in."""
    return {dtype: program(function, plain=plain, inputs={"x": ("N", "D")}, dtypes=[dtype],
                           arithmetic=dtype, sizes=SIZES, framework="torch")
            for dtype in ("float32", "bfloat16")}


def plain_hard_mish(x):
    return 0.5 * x * (x + 2.0).clamp(0.0, 2.0)


swish = activation(TIMM.swish_me, lambda x: x / (1.0 + torch.exp(-x)))
mish = activation(TIMM.mish_me, plain_mish)
hard_sigmoid = activation(TIMM.hard_sigmoid_me, lambda x: (x + 3.0).clamp(0.0, 6.0) / 6.0)
hard_swish = activation(TIMM.hard_swish_me, plain_hardswish)
hard_mish = activation(TIMM.hard_mish_me, plain_hard_mish)
