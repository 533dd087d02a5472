"""torchlpc: a recursive filter with coefficients that vary in time, compiled."""

import torch
from backproof import program
from package_shelf import use

use("llvmlite", "numba", "torchlpc")
from torchlpc import sample_wise_lpc  # noqa: E402


def plain_filter(x, a, zi):
    kept = list(zi.flip(1).unbind(1))
    order = len(kept)
    for t in range(x.shape[1]):
        kept.append(x[:, t] - sum(a[:, t, i] * kept[-1 - i] for i in range(order)))
    return torch.stack(kept[order:], 1)


@program(plain=plain_filter, dtypes=["float32"],
         inputs={"x": ("N", "T"), "a": {"shape": ("N", "T", "P"), "values": "small"},
                 "zi": ("N", "P")},
         sizes={"N": (1, 5), "T": (1, 9), "P": (1, 4)})
def filtered(x, a, zi):
    return sample_wise_lpc(x, a, zi)
