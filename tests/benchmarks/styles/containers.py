"""What the numbers come in: how arguments are taken, and how gradients and loss are given back."""

from collections import OrderedDict, UserDict
from types import MappingProxyType

import numpy as np


def _strided(a):
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


class Plain(np.ndarray):
    """A subclass that does nothing."""


TAKEN = {
    "as it is": lambda a: a, "copy": lambda a: a.copy(), "Fortran": np.asfortranarray, "strided": _strided,
    "list": lambda a: np.array(a.tolist(), a.dtype).reshape(a.shape), "bytes": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "turned": lambda a: np.ascontiguousarray(a[::-1])[::-1], "wide": lambda a: a.astype(np.float64),
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()).astype(a.dtype),
}


def _read_only(g):
    g = np.array(g)
    g.setflags(write=False)
    return g


GIVEN = {
    "array": np.asarray, "Fortran": np.asfortranarray, "list": lambda g: np.asarray(g).tolist(), "tuple": lambda g: tuple(np.asarray(g)),
    "strided": lambda g: _strided(np.asarray(g)), "float64": lambda g: np.asarray(g).astype(np.float64), "read-only": _read_only,
    "long double": lambda g: np.asarray(g).astype(np.longdouble), "objects": lambda g: np.asarray(g).astype(object),
    "view": lambda g: np.array(g).view(Plain), "masked": lambda g: np.ma.array(g),
    "reshaped": lambda g: np.asarray(g).ravel().reshape(np.shape(g)), "list of arrays": lambda g: list(np.asarray(g)),
}
MAPPINGS = {"dict": dict, "OrderedDict": OrderedDict, "proxy": lambda d: MappingProxyType(dict(d)), "UserDict": UserDict}
LOSSES = {
    "number": float, "NumPy's number": lambda v: v, "array": np.asarray, "array of one": lambda v: np.array([v]),
    "(1, 1)": lambda v: np.array([[v]]),
}
