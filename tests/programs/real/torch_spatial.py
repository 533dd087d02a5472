"""PyTorch's convolutions, poolings and resamplings beside sums over windows."""

import torch
import torch.nn.functional as F
from eager import HALVES, program

SIZES = {"N": (1, 4), "G": (1, 3), "I": (1, 4), "O": (1, 4), "C": "G * I", "M": "G * O",
         "H": (7, 17), "W": (7, 17), "K": [1, 2, 3], "L": (7, 33)}
BIAS = {"shape": ("M",), "optional": True}
STEPS = {"stride": [1, 2], "padding": [0, 1], "dilation": [1, 2], "groups": "G"}


def windows(x, size, stride, padding, dilation, value=0.0):
    """(N, C, H', W', size, size): a window about each place of the output."""
    x = F.pad(x, (padding,) * 4, value=value)
    span = dilation * (size - 1) + 1
    return x.unfold(2, span, stride).unfold(3, span, stride)[..., ::dilation, ::dilation]


def plain_conv2d(x, weight, bias, stride, padding, dilation, groups):
    n, c = x.shape[:2]
    seen = windows(x, weight.shape[-1], stride, padding, dilation)
    seen = seen.reshape(n, groups, c // groups, *seen.shape[2:])
    kernel = weight.view(groups, -1, *weight.shape[1:])
    out = torch.einsum("ngihwkl,goikl->ngohw", seen, kernel).flatten(1, 2)
    return out if bias is None else out + bias[:, None, None]


@program(plain=plain_conv2d,
         inputs={"x": ("N", "C", "H", "W"), "weight": ("M", "I", "K", "K"), "bias": BIAS},
         dtypes=HALVES, sizes=SIZES, options=STEPS)
def conv2d(x, weight, bias, stride, padding, dilation, groups):
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def plain_conv1d(x, weight, bias, stride, padding, dilation, groups):
    n, c = x.shape[:2]
    span = dilation * (weight.shape[-1] - 1) + 1
    seen = F.pad(x, (padding, padding)).unfold(2, span, stride)[..., ::dilation]
    seen = seen.reshape(n, groups, c // groups, *seen.shape[2:])
    out = torch.einsum("ngilk,goik->ngol", seen, weight.view(groups, -1, *weight.shape[1:]))
    return out.flatten(1, 2) if bias is None else out.flatten(1, 2) + bias[:, None]


@program(plain=plain_conv1d,
         inputs={"x": ("N", "C", "L"), "weight": ("M", "I", "K"), "bias": BIAS},
         dtypes=HALVES, sizes=SIZES, options=STEPS)
def conv1d(x, weight, bias, stride, padding, dilation, groups):
    return F.conv1d(x, weight, bias, stride, padding, dilation, groups)


def plain_conv_transpose2d(x, weight, bias, stride, padding, groups):
    n, _, h, w = x.shape
    size = weight.shape[-1]
    parts = torch.einsum("ngihw,giokl->ngohwkl", x.view(n, groups, -1, h, w),
                         weight.view(groups, -1, *weight.shape[1:])).flatten(1, 2)
    high, wide = (h - 1) * stride + size, (w - 1) * stride + size
    out = x.new_zeros(n, parts.shape[1], high, wide)
    for k in range(size):
        for m in range(size):
            place = torch.zeros_like(out)
            place[:, :, k:k + (h - 1) * stride + 1:stride,
                  m:m + (w - 1) * stride + 1:stride] = parts[..., k, m]
            out = out + place
    out = out[:, :, padding:high - padding, padding:wide - padding]
    return out if bias is None else out + bias[:, None, None]


@program(plain=plain_conv_transpose2d,
         inputs={"x": ("N", "C", "H", "W"), "weight": ("C", "O", "K", "K"), "bias": BIAS},
         dtypes=HALVES, sizes=SIZES, options={"stride": [1, 2], "padding": [0, 1], "groups": "G"})
def conv_transpose2d(x, weight, bias, stride, padding, groups):
    return F.conv_transpose2d(x, weight, bias, stride, padding, groups=groups)


IMAGE = {"x": ("N", "C", "H", "W")}


def plain_avg_pool2d(x, size, padding, ceil_mode, count_include_pad):
    h, w = x.shape[-2:]
    stride, out = 2, []
    for high in (h, w):
        room = high + 2 * padding - size + (stride - 1 if ceil_mode else 0)
        places = room // stride + 1
        if ceil_mode and (places - 1) * stride >= high + padding:
            places -= 1
        starts = [i * stride - padding for i in range(places)]
        whole = [min(s + size, high + padding) - s for s in starts]
        inside = torch.tensor([[float(max(s, 0) <= j < min(s + size, high)) for j in range(high)]
                               for s in starts], dtype=x.dtype)
        counts = torch.tensor(whole, dtype=x.dtype) if count_include_pad else inside.sum(-1)
        out.append(inside / counts[:, None])
    return torch.einsum("ncij,hi,wj->nchw", x, *out)


@program(plain=plain_avg_pool2d, inputs=IMAGE, dtypes=HALVES, sizes=SIZES,
         options={"size": [2, 3], "padding": [0, 1], "ceil_mode": [False, True],
                  "count_include_pad": [False, True]})
def avg_pool2d(x, size, padding, ceil_mode, count_include_pad):
    return F.avg_pool2d(x, size, 2, padding, ceil_mode, count_include_pad)


def plain_max_pool2d(x, size, padding, dilation):
    return windows(x, size, 2, padding, dilation, -torch.inf).flatten(-2).max(-1).values


@program(plain=plain_max_pool2d, inputs=IMAGE, dtypes=HALVES, sizes=SIZES,
         options={"size": [2, 3], "padding": [0, 1], "dilation": [1, 2]})
def max_pool2d(x, size, padding, dilation):
    return F.max_pool2d(x, size, 2, padding, dilation)


def shares(places, size):
    """The rows average the windows that adaptive pooling divides an axis into."""
    rows = torch.zeros(places, size, dtype=torch.float64)
    for i in range(places):
        start, end = i * size // places, -(-(i + 1) * size // places)
        rows[i, start:end] = 1.0 / (end - start)
    return rows


def plain_adaptive_avg_pool2d(x, places):
    rows, columns = (shares(places, size).to(x.dtype) for size in x.shape[-2:])
    return torch.einsum("ncij,hi,wj->nchw", x, rows, columns)


@program(plain=plain_adaptive_avg_pool2d, inputs=IMAGE, dtypes=HALVES, sizes=SIZES,
         options={"places": [1, 3, 5]})
def adaptive_avg_pool2d(x, places):
    return F.adaptive_avg_pool2d(x, places)


def weights_between(places, size, align_corners, dtype):
    """The rows interpolate an axis of so many places linearly."""
    i = torch.arange(places, dtype=dtype)
    at = (i * ((size - 1) / max(places - 1, 1)) if align_corners
          else ((i + 0.5) * (size / places) - 0.5).clamp_min(0.0))
    left = at.floor().clamp_max(size - 1)
    share, columns = at - left, torch.arange(size)
    right = (left + 1.0).clamp_max(size - 1)
    return ((1.0 - share)[:, None] * (columns == left[:, None])
            + share[:, None] * (columns == right[:, None]))


def plain_bilinear(x, places, align_corners):
    rows, columns = (weights_between(places, size, align_corners, x.dtype)
                     for size in x.shape[-2:])
    return torch.einsum("ncij,hi,wj->nchw", x, rows, columns)


@program(plain=plain_bilinear, inputs=IMAGE, dtypes=HALVES, sizes=SIZES,
         options={"places": [1, 5, 16, 23], "align_corners": [False, True]})
def interpolate_bilinear(x, places, align_corners):
    return F.interpolate(x, (places, places), mode="bilinear", align_corners=align_corners)


def plain_nearest(x, places):
    rows, columns = (torch.arange(places) * size // places for size in x.shape[-2:])
    return x[:, :, rows][:, :, :, columns]


@program(plain=plain_nearest, inputs=IMAGE, dtypes=HALVES, sizes=SIZES,
         options={"places": [1, 5, 16, 23]})
def interpolate_nearest(x, places):
    return F.interpolate(x, (places, places), mode="nearest")


def plain_grid_sample(x, grid):
    n, c, h, w = x.shape
    across, down = ((grid[..., i] + 1.0) * size / 2.0 - 0.5 for i, size in enumerate((w, h)))
    left, top = across.detach().floor(), down.detach().floor()
    total = torch.zeros(n, c, *grid.shape[1:3], dtype=x.dtype)
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left + dx, top + dy
            share = ((1.0 - (across - column).abs()) * (1.0 - (down - row).abs())
                     ).masked_fill((column < 0) | (column >= w) | (row < 0) | (row >= h), 0.0)
            at = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1)).long().flatten(1)
            seen = x.flatten(2).gather(2, at[:, None].expand(-1, c, -1)).view(n, c, *at.shape[1:])
            total = total + seen.view_as(total) * share[:, None]
    return total


@program(plain=plain_grid_sample, dtypes=["float32"], sizes=SIZES,
         inputs={"x": ("N", "C", "H", "W"),
                 "grid": {"shape": ("N", "K", "K", 2), "values": "unit"}})
def grid_sample(x, grid):
    return F.grid_sample(x, grid, align_corners=False)


def plain_unfold(x, size, stride, padding, dilation):
    seen = windows(x, size, stride, padding, dilation)
    return seen.permute(0, 1, 4, 5, 2, 3).flatten(4).flatten(1, 3)


@program(plain=plain_unfold, inputs=IMAGE, dtypes=HALVES, sizes=SIZES,
         options={"size": [1, 2, 3], "stride": [1, 2], "padding": [0, 1], "dilation": [1, 2]})
def unfold(x, size, stride, padding, dilation):
    return F.unfold(x, size, dilation, padding, stride)


def plain_fold(x, places):
    n, rows, _ = x.shape
    parts = x.view(n, rows // 4, 2, 2, places - 1, places - 1)
    return sum(F.pad(parts[:, :, i, j], (j, 1 - j, i, 1 - i)) for i in (0, 1) for j in (0, 1))


@program(plain=plain_fold, inputs={"x": ("N", "4 * I", "(K+1)**2")}, dtypes=HALVES, sizes=SIZES,
         options={"places": "K + 2"})
def fold(x, places):
    return F.fold(x, places, 2)


def plain_reflect(x, before, after):
    size = x.shape[-1]
    at = torch.arange(-before, size + after).abs()
    return x[..., torch.where(at >= size, 2 * (size - 1) - at, at)]


@program(plain=plain_reflect, inputs={"x": ("N", "C", "L")}, dtypes=HALVES, sizes=SIZES,
         options={"before": [0, 3], "after": [0, 2]})
def pad_reflect(x, before, after):
    return F.pad(x, (before, after), mode="reflect")


@program(plain=lambda x, before, after: x[..., torch.arange(-before, x.shape[-1] + after).clamp(
    0, x.shape[-1] - 1)],
    inputs={"x": ("N", "C", "L")}, dtypes=HALVES, sizes=SIZES,
    options={"before": [0, 3], "after": [0, 2]})
def pad_replicate(x, before, after):
    return F.pad(x, (before, after), mode="replicate")


def plain_pixel_shuffle(x):
    n, c, h, w = x.shape
    return x.view(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


@program(plain=plain_pixel_shuffle, inputs={"x": ("N", "4 * I", "H", "W")}, dtypes=HALVES,
         sizes=SIZES)
def pixel_shuffle(x):
    return F.pixel_shuffle(x, 2)
