"""Triton kernels on the CPU: Triton's own interpreter, and what it lacks of the compiled language.

Import this before whatever defines kernels. A float argument is a tensor of float32 in a compiled
kernel; of the device library three functions are called; one configuration is as right as another,
so nothing is tuned. It is for a process that runs nothing else: Triton is changed for good.
"""

import os

os.environ["TRITON_INTERPRET"] = "1"

import numpy as np
import triton
import triton.language as tl
from package_shelf import use
from triton.language.extra import libdevice
from triton.runtime import interpreter

__all__ = ["use"]

_convert, _autotune = interpreter._implicit_cvt, triton.autotune


def _tensor(values, like):
    return tl.tensor(interpreter.TensorHandle(values, like.handle.dtype), like.type)


def _converted(argument):
    if isinstance(argument, float):
        handle = interpreter.TensorHandle(np.array([argument], np.float32), tl.float32)
        return tl.tensor(handle, tl.float32)
    return _convert(argument)


def _elementwise(function):
    def apply(x):
        values = x.handle.data
        return _tensor(function(values).astype(values.dtype), x)
    return apply


def _first_only(configs, key, **_):
    return _autotune(configs[:1], key)


interpreter._implicit_cvt = _converted
triton.autotune = triton.runtime.autotune = _first_only
libdevice.rsqrt = _elementwise(lambda values: 1.0 / np.sqrt(values))
libdevice.tanh = _elementwise(np.tanh)
libdevice.exp = _elementwise(np.exp)
