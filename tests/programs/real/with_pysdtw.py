"""pysdtw: soft dynamic time warping, with a backward recursion compiled by Numba."""

import torch
from backproof import program
from shelf import use

use("llvmlite", "numba", "pysdtw")
from pysdtw.sdtw_cpu import SoftDTWcpu  # noqa: E402

SIZES = {"B": (1, 4), "N": (1, 9), "M": (1, 9)}


def outside(i, j, rows, columns, band):
    """Whether a cell is outside the band of Sakoe and Chiba, in the package's own words for it."""
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
    return cost.get((rows, columns), d.sum() * torch.nan)


def plain_soft_dtw(d, rows, columns, gamma, band):
    return torch.stack([plain_one(each[:n + 1, :m + 1], gamma, band)
                        for each, n, m in zip(d, rows.tolist(), columns.tolist(), strict=True)])


@program(plain=plain_soft_dtw, dtypes=["float32"], sizes=SIZES,
         inputs={"d": {"shape": ("B", "N", "M"), "values": "positive"},
                 "rows": {"shape": ("B",), "index": "N"},
                 "columns": {"shape": ("B",), "index": "M"}},
         options={"gamma": [1.0, 0.1], "band": [0, 3]})
def soft_dtw(d, rows, columns, gamma, band):
    return SoftDTWcpu.apply(d, torch.stack([rows + 1, columns + 1], 1), gamma, band)
