"""RoMa: the rotation nearest to a matrix, differentiated by its singular values."""

import torch
from backproof import program
from package_shelf import use

use("roma")
import roma  # noqa: E402


def plain_rotation(m):
    """The polar factor by Newton's iteration, with the sign of the smallest singular value."""
    u, _, vt = torch.linalg.svd(m.detach())
    flip = torch.ones_like(m[..., 0])
    flip[..., -1] = torch.sign(torch.det(u) * torch.det(vt))
    rotation = (u * flip[..., None, :]) @ vt
    # the root of R^T M = S symmetric, by one step of Newton about the solution
    stretch = rotation.transpose(-1, -2) @ m
    skew = stretch - stretch.transpose(-1, -2)
    held = stretch.detach()
    trace = held.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    inertia = trace * torch.eye(3, dtype=m.dtype) - held
    axis = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)
    turn = torch.linalg.solve(inertia, axis[..., None])[..., 0]
    zero = torch.zeros_like(turn[..., 0])
    cross = torch.stack([zero, -turn[..., 2], turn[..., 1], turn[..., 2], zero, -turn[..., 0],
                         -turn[..., 1], turn[..., 0], zero], -1).view(*turn.shape[:-1], 3, 3)
    return rotation + rotation @ cross


def regular(m):
    """Away from the matrices that have no nearest rotation."""
    return m + 4.0 * torch.eye(3, dtype=m.dtype)


@program(plain=lambda m: plain_rotation(regular(m)), inputs={"m": {"shape": ("N", 3, 3), "values": "usual"}},
         dtypes=["float32"], sizes={"N": (1, 17)})
def special_procrustes(m):
    return roma.special_procrustes(regular(m))
