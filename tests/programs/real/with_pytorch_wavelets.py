"""pytorch_wavelets: analysis banks whose backward pass is the synthesis bank."""

import sys
import types

import torch
from backproof import program
from package_shelf import use

use("PyWavelets", "pytorch_wavelets")
if "pkg_resources" not in sys.modules:  # it reads files of coefficients, which nothing here asks for
    sys.modules["pkg_resources"] = types.ModuleType("pkg_resources")
    sys.modules["pkg_resources"].resource_stream = None
from pytorch_wavelets.dwt import lowlevel  # noqa: E402
from pytorch_wavelets.scatternet.lowlevel import SmoothMagFn  # noqa: E402

SIZES = {"N": (1, 3), "C": (1, 3), "W": (4, 17)}


@program(plain=lambda x, y: torch.sqrt(x * x + y * y + 0.01) - 0.1, dtypes=["float32"],
         inputs={"x": ("N", "W"), "y": ("N", "W")}, sizes=SIZES)
def smooth_magnitude(x, y):
    return SmoothMagFn.apply(x, y, 0.1)


def filters(x):
    """A low and a high pass of four taps, as the package's own preparation shapes them."""
    taps = torch.tensor([[-0.125, 0.25, 0.75, 0.5], [-0.5, 0.75, -0.25, -0.125]], dtype=x.dtype)
    return [row.view(1, 1, 4) for row in taps]


def plain_analysis(x, mode):
    """The package's own forward, which is made of operations that autograd knows."""
    low, high = filters(x)
    both = lowlevel.afb1d(x[:, :, None], low[:, :, None], high[:, :, None], mode=mode, dim=3)
    return both[:, ::2, 0], both[:, 1::2, 0]


def analysis(mode):
    return program(lambda x, mode: lowlevel.AFB1D.apply(x, *filters(x), lowlevel.mode_to_int(mode)),
                   plain=plain_analysis, dtypes=["float32"], inputs={"x": ("N", "C", "W")},
                   sizes=SIZES, options={"mode": [mode]}, framework="torch")


zero_padding, symmetric, periodization = map(analysis, ["zero", "symmetric", "periodization"])
