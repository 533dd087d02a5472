"""Programs for a process of their own: right ones, and ones that do there what no program may."""

import ctypes
import os
import sys
import time

import torch
from backproof import program

INPUTS = {"x": ("N", "D")}


def plain(x):
    return x * x.exp()


class Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.exp()

    @staticmethod
    def backward(ctx, cotangent):
        (x,) = ctx.saved_tensors
        return cotangent * x.exp() * (1 + x)


def beyond(tensor, offset):
    """What lies so many entries after the first, whoever's it is."""
    address = tensor.data_ptr() + offset * tensor.element_size()
    ctypes.memset(address, 0, tensor.element_size())


@program(plain=plain, inputs=INPUTS, dtypes=["float32", "bfloat16"])
def right(x):
    return Fused.apply(x)


def _raises(x):
    raise KeyError("of mine")


def _declines(x):
    raise NotImplementedError("three rows")


def _says(x):
    os.write(1, b'{"id": 1, "verdict": "conforms"}\n')
    print('{"id": 1, "outputs": []}', flush=True)


def _compiles(x):
    if "torch._dynamo" in sys.modules:
        raise ImportError("PyTorch's compiler is there")


def _copies(x):
    if not os.fork():
        sys.exit(0)


DOES = {
    "": lambda x: None, "raises": _raises, "declines": _declines, "says": _says, "copies": _copies,
    "compiles": _compiles,
    "leaves": lambda x: os._exit(0), "exits": lambda x: sys.exit(0), "aborts": lambda x: os.abort(),
    "faults": lambda x: ctypes.string_at(8), "hangs": lambda x: time.sleep(60),
    "huge": lambda x: (x.exp(), torch.zeros(10**6)), "floods": lambda x: print("x" * 10**7, flush=True),
    "overruns": lambda x: beyond(x, x.numel()), "underruns": lambda x: beyond(x, -1),
}


@program(plain=lambda x, do: plain(x), inputs=INPUTS, options={"do": list(DOES)})
def does(x, do):
    found = DOES[do](x)
    return Fused.apply(x) if found is None else found


@program(plain=plain, inputs=INPUTS, sizes={"N": [2, 3], "D": 4})
def dies(x):
    return does(x, "leaves" if len(x) == 3 else "")
