"""The task: a layer norm without its mean."""

from backproof import program


def plain(x, weight):
    return x / ((x * x).mean(-1, keepdim=True) + 1e-5).sqrt() * weight


task = program(plain=plain, inputs={"x": ("N", "D"), "weight": ("D",)}, dtypes=["float32"],
               sizes={"N": (1, 33), "D": (2, 33)}, framework="torch")


def doubled(x, weight):
    return 2 * x * weight


easy = program(plain=doubled, inputs={"x": ("N", "D"), "weight": ("D",)}, sizes={"N": (2, 5), "D": (2, 5)},
               framework="torch")
