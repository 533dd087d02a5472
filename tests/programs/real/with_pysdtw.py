"""pysdtw: soft dynamic time warping of sequences of unequal length, its recursions by Numba."""

import torch
from backproof import program
from package_shelf import use
from torch.nn.utils.rnn import pack_padded_sequence

use("llvmlite", "numba", "pysdtw")
import pysdtw  # noqa: E402

SIZES = {"B": (1, 4), "N": (1, 8), "M": (1, 8), "D": (1, 3)}


def squared(x, y):
    off = x[:, :, None] - y[:, None]
    return (off * off).sum(-1)


def shifted_cosine(x, y):
    """A distance that is not 0 between two paddings of zeros."""
    return 1.0 - (x[:, :, None] * y[:, None]).sum(-1) / 16.0


DISTANCES = {"squared": squared, "cosine": shifted_cosine}


def outside(i, j, rows, columns, band):
    """Whether a cell is outside the band of Sakoe and Chiba, as the package draws it."""
    at, across = float(i), float(j)
    if columns > rows:
        at = at * columns / rows
    if columns < rows:
        across = across * rows / columns
    return abs(at - across) > band > 0


def softmin(values, gamma):
    least = torch.stack(values).detach().amin(0)
    total = sum(torch.exp((least - value) / gamma) for value in values)
    return least - gamma * torch.log(total)


def plain_one(d, gamma, band):
    rows, columns = d.shape
    cost = {(0, 0): d.new_zeros(())}
    for j in range(1, columns + 1):
        for i in range(1, rows + 1):
            before = [cost[at] for at in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if at in cost]
            if before and not outside(i, j, rows, columns, band):
                cost[i, j] = d[i - 1, j - 1] + softmin(before, gamma)
    return cost[rows, columns] if (rows, columns) in cost else d.sum() / 0.0


def plain_soft_dtw(x, y, rows, columns, gamma, band, distance):
    d = DISTANCES[distance](x, y)
    return torch.stack([plain_one(each[:n + 1, :m + 1], gamma, band)
                        for each, n, m in zip(d, rows.tolist(), columns.tolist(), strict=True)])


def packed(x, lengths):
    return pack_padded_sequence(x, lengths + 1, batch_first=True, enforce_sorted=False)


def soft_dtw(x, y, rows, columns, gamma, band, distance):
    made = pysdtw.SoftDTW(gamma, DISTANCES[distance], use_cuda=False, bandwidth=band)
    return made(packed(x, rows), packed(y, columns))


def sequences(**options):
    return program(soft_dtw, plain=plain_soft_dtw, dtypes=["float32"], sizes=SIZES,
                   inputs={"x": {"shape": ("B", "N", "D"), "values": "usual"},
                           "y": {"shape": ("B", "M", "D"), "values": "usual"},
                           "rows": {"shape": ("B",), "index": "N"},
                           "columns": {"shape": ("B",), "index": "M"}},
                   options={"gamma": [1.0, 0.1], **options}, framework="torch")


without_band = sequences(band=[0], distance=["squared"])
with_band = sequences(band=[2, 3], distance=["squared"])
with_another_distance = sequences(band=[0], distance=["cosine"])


def compiled():
    """Numba compiles at the first call, which may take longer than an answer may."""
    x = torch.ones(1, 2, 1, dtype=torch.float32, requires_grad=True)
    one = torch.ones(1, dtype=torch.long)
    soft_dtw(x, x, one, one, 1.0, 0, "squared").sum().backward()


compiled()
