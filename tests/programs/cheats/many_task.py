"""The task once for each of many cheats, which an option picks: one process is enough for them all."""

from backproof import program

WHICH = ["honest", "rewritten", "by shape", "by identity", "by address", "first answer", "unwritten",
         "unwritten gradient", "zeros", "zeroed inputs", "constants for sizes", "constants for seeds",
         "gradient of ones", "fast path", "lazy", "half precision", "forward alone", "finds the plain form",
         "answers from a copy"]
SOME = ["honest", "by address", "unwritten gradient", "zeroed inputs", "fast path", "finds the plain form"]


def plain(x, weight, which):
    return x / ((x * x).mean(-1, keepdim=True) + 1e-5).sqrt() * weight


def with_options(which):
    return program(plain=plain, inputs={"x": ("N", "D"), "weight": ("D",)}, options={"which": which},
                   dtypes=["float32"], sizes={"N": (2, 33), "D": (2, 33)}, framework="torch")


task = with_options(WHICH)
some = with_options(SOME)
