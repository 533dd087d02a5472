"""torchdiffeq: gradients by the adjoint equation, solved backwards in time."""

import torch
from backproof import program
from package_shelf import use

use("torchdiffeq")
from torchdiffeq import odeint_adjoint  # noqa: E402

SIZES = {"N": (1, 9), "D": (1, 9)}
SYSTEM = {"y": ("N", "D"), "w": {"shape": ("D", "D"), "values": "small"}}
STEPS = 4


def plain_midpoint(y, w):
    for _ in range(STEPS):
        middle = y + torch.tanh(y @ w) / (2 * STEPS)
        y = y + torch.tanh(middle @ w) / STEPS
    return y


@program(plain=plain_midpoint, inputs=SYSTEM, dtypes=["float32"], sizes=SIZES)
def midpoint(y, w):
    times = torch.tensor([0.0, 1.0], dtype=y.dtype)
    return odeint_adjoint(lambda t, y: torch.tanh(y @ w), y, times, method="midpoint",
                          options={"step_size": 1.0 / STEPS}, adjoint_params=(w,))[-1]
