"""Convolutions, pooling and their like by somebody else, twice: as blogs write them, with loops over the places, and
with `as_strided` views and `einsum`. Neither shares code with the reference or with the other.

A planted mistake has the name of a row of the table of known mistakes; each style has those that people make in it:

    net = planted("loops", "convolution-windows-overwritten")       # planted("loops") is right

One axis is two of which the first has one entry: a sequence is an image of height 1.
"""

import numpy as np
from backproof.plug.implementing import implementation
from backproof.properties.claims import Head
from numpy.lib.stride_tricks import as_strided

IMAGES = ("conv2d", "conv1d", "conv_transpose2d", "conv_transpose1d", "pool2d", "pool1d", "global_pool", "subsample2d",
          "flatten", "reshape", "pad", "upsample")
FAMILIES = {"convolution": ("conv1d", "conv2d"), "pooling": ("pool1d", "pool2d", "global_pool", "subsample2d", "conv2d"),
            "reshaping": ("conv2d", "reshape", "pad", "upsample")}


def claims(layers):
    return {"hidden": ["tanh", "relu"], "layers": ["dense", *layers], "bias": "any", "dtypes": ["float64", "float32"],
            "depth": [1, 3],
            "heads": [Head("identity", "squared_error", reduction="sum"),
                      Head("identity", "squared_error", reduction="mean_over_batch", scale=0.5)]}


def two(numbers, first):
    """One number for each of two axes."""
    return tuple(numbers) if len(numbers) == 2 else (first, *numbers)


class Layer:
    """What all layers have: the options, the parameters by name, and the mistake, if any."""

    def __init__(self, options, parameters, wrong):
        self.o, self.p, self.wrong = options, parameters, wrong
        self.grads = {}

    def is_wrong(self, name):
        return self.wrong == name


class Dense(Layer):
    def forward(self, x):
        self.x = x
        y = x.dot(self.p["weight"])
        return y + self.p["bias"] if "bias" in self.p else y

    def backward(self, dy):
        self.grads["weight"] = self.x.T.dot(dy)
        if "bias" in self.p:
            self.grads["bias"] = np.sum(dy, axis=0)
        return dy.dot(self.p["weight"].T)


class Activation(Layer):
    def forward(self, x):
        self.x = x
        return np.tanh(x) if self.o["function"] == "tanh" else np.maximum(x, 0)

    def backward(self, dy):
        return dy * (1 - np.tanh(self.x) ** 2) if self.o["function"] == "tanh" else np.where(self.x > 0, dy, 0 * dy)


class Windowed(Layer):
    """A layer with windows, whose sequences are images of height 1."""

    def forward(self, x):
        self.flat = x.ndim == 3
        y = self.forward2d(x[:, :, None] if self.flat else x)
        return y[:, :, 0] if self.flat else y

    def backward(self, dy):
        dx = self.backward2d(dy[:, :, None] if self.flat else dy)
        return dx[:, :, 0] if self.flat and dx.shape[2] == 1 else dx

    @property
    def geometry(self):
        o = self.o
        one = (1,) * len(o["window"])
        return (two(o["window"], 1), two(o.get("stride", one), 1), two(o.get("padding", (0,) * len(one)), 0),
                two(o.get("dilation", one), 1))


class Conv(Windowed):
    @property
    def kernel(self):
        w = self.p["weight"]
        return w[:, :, None] if w.ndim == 3 else w

    @property
    def untied(self):
        b = self.p["bias"]
        return b[:, None] if b.ndim == 2 else b

    def plus_bias(self, y):
        form = self.o["bias"]
        if form == "channel":
            y = y + self.p["bias"][:, None, None]
        return y + self.untied if form == "untied" else y

    def keep_bias(self, dy):
        form, places = self.o["bias"], dy.shape[2] * dy.shape[3]
        if form == "untied":
            db = dy.sum(0)
            db = dy if self.is_wrong("convolution-untied-bias-not-summed-over-batch") else db
            if self.is_wrong("convolution-untied-bias-summed-over-places"):
                self.grads["bias"] = dy.sum((0, 2, 3))
                return
            self.grads["bias"] = db[..., 0, :] if self.flat else db
        if form == "channel":
            db = sum(dy[n].sum((1, 2)) for n in range(len(dy)))
            if self.is_wrong("convolution-bias-not-summed-over-places"):
                db = dy.sum(0)[:, 0] if self.flat else dy.sum(0)
            if self.is_wrong("convolution-bias-averaged-over-places"):
                db = db / places
            if self.is_wrong("convolution-bias-of-one-place"):
                db = dy[:, :, -1, -1].sum(0)
            if self.is_wrong("convolution-bias-counted-per-channel"):
                db = db * 0
                for _ in range(self.p["weight"].shape[1]):
                    db = db + dy.sum((0, 2, 3))
            self.grads["bias"] = db

    def keep_weight(self, dw):
        if self.is_wrong("convolution-weight-gradient-flipped"):
            dw = dw[:, :, ::-1, ::-1]
        if self.is_wrong("convolution-groups-ignored"):
            dw = np.tile(dw[:len(dw) // self.o["groups"]], (self.o["groups"], 1, 1, 1))
        self.grads["weight"] = dw[:, :, 0] if self.p["weight"].ndim == 3 else dw

    def uncropped(self, dxp, shape):
        """The padding taken off the error again."""
        (ph, pw), (h, w) = self.geometry[2], shape[2:]
        if self.is_wrong("convolution-padding-not-cropped"):
            return dxp
        if self.is_wrong("convolution-padding-cropped-on-one-side"):
            return dxp[:, :, :h, :w]
        return dxp[:, :, ph:ph + h, pw:pw + w]


class LoopConv(Conv):
    """A loop over the places, and one over the groups."""

    def forward2d(self, x):
        self.x, (k, s, q, d), w = x, self.geometry, self.kernel
        self.xp = np.pad(x, ((0, 0), (0, 0), (q[0], q[0]), (q[1], q[1])))
        reach = [d[i] * (k[i] - 1) + 1 for i in (0, 1)]
        high, wide = ((self.xp.shape[2 + i] - reach[i]) // s[i] + 1 for i in (0, 1))
        y = np.zeros((len(x), self.o["filters"], high, wide), x.dtype)
        for i in range(high):
            for j in range(wide):
                for channels, filters in self.groups():
                    seen = self.xp[:, channels, i * s[0]:i * s[0] + reach[0]:d[0], j * s[1]:j * s[1] + reach[1]:d[1]]
                    y[:, filters, i, j] = np.tensordot(seen, w[filters], ([1, 2, 3], [1, 2, 3]))
        return self.plus_bias(y)

    def groups(self):
        n = self.o["groups"]
        c, f = self.p["weight"].shape[1], self.o["filters"] // n
        return [(slice(g * c, (g + 1) * c), slice(g * f, (g + 1) * f)) for g in range(n)]

    def backward2d(self, dy):
        (k, s, _, d), w = self.geometry, self.kernel
        back = w[:, :, ::-1, ::-1] if self.is_wrong("convolution-kernel-not-flipped") else w
        sb = (1, 1) if self.is_wrong("convolution-stride-ignored-backward") else s
        db = (1, 1) if self.is_wrong("convolution-dilation-ignored-backward") else d
        dw, dxp = np.zeros_like(w), np.zeros_like(self.xp)
        for i in range(dy.shape[2]):
            for j in range(dy.shape[3]):
                at = (slice(i * s[0], i * s[0] + d[0] * (k[0] - 1) + 1, d[0]),
                      slice(j * s[1], j * s[1] + d[1] * (k[1] - 1) + 1, d[1]))
                to = (slice(i * sb[0], i * sb[0] + db[0] * (k[0] - 1) + 1, db[0]),
                      slice(j * sb[1], j * sb[1] + db[1] * (k[1] - 1) + 1, db[1]))
                for channels, filters in self.groups():
                    delta = dy[:, filters, i, j]
                    dw[filters] += np.tensordot(delta, self.xp[:, channels, at[0], at[1]], (0, 0))
                    part = np.tensordot(delta, back[filters], (1, 0))
                    if self.is_wrong("convolution-windows-overwritten"):
                        dxp[:, channels, to[0], to[1]] = part
                    else:
                        dxp[:, channels, to[0], to[1]] += part
        self.keep_bias(dy)
        self.keep_weight(dw)
        return self.uncropped(dxp, self.x.shape)


def views(x, k, s, d):
    """(batch, channels, high, wide, *k): the windows, not copied."""
    n, c, h, w = x.shape
    a, b, e, f = x.strides
    high, wide = (h - d[0] * (k[0] - 1) - 1) // s[0] + 1, (w - d[1] * (k[1] - 1) - 1) // s[1] + 1
    return as_strided(x, (n, c, high, wide, *k), (a, b, e * s[0], f * s[1], e * d[0], f * d[1]))


class ViewConv(Conv):
    """Views of the windows and einsum; on the way back a full correlation with the kernel turned round."""

    def forward2d(self, x):
        self.x, (k, s, q, d) = x, self.geometry
        self.xp = np.ascontiguousarray(np.pad(x, ((0, 0), (0, 0), (q[0], q[0]), (q[1], q[1]))))
        seen = self.split(views(self.xp, k, s, d), 1)
        y = np.einsum("ngchwij,gfcij->ngfhw", seen, self.split(self.kernel, 0))
        return self.plus_bias(y.reshape(len(x), -1, *y.shape[3:]))

    def split(self, array, axis):
        n = self.o["groups"]
        return array.reshape(*array.shape[:axis], n, array.shape[axis] // n, *array.shape[axis + 1:])

    def backward2d(self, dy):
        (k, s, _, d), w = self.geometry, self.split(self.kernel, 0)
        seen, delta = self.split(views(self.xp, k, s, d), 1), self.split(dy, 1)
        rows = delta
        if self.is_wrong("convolution-rows-in-other-order") and self.o["groups"] == 1:
            order = dy.transpose(2, 3, 0, 1).reshape(len(dy), dy.shape[2], dy.shape[3], -1)
            rows = self.split(order.transpose(0, 3, 1, 2), 1)
        dw = np.einsum("ngchwij,ngfhw->gfcij", seen, rows)
        self.keep_bias(dy)
        self.keep_weight(dw.reshape(self.kernel.shape))
        return self.uncropped(self.full(delta, w, k, s, d), self.x.shape)

    def full(self, delta, w, k, s, d):
        n, g, f, high, wide = delta.shape
        h, v = self.xp.shape[2:]
        if self.is_wrong("convolution-stride-ignored-backward"):
            s = (1, 1)
        if self.is_wrong("convolution-dilation-ignored-backward"):
            d = (1, 1)
        before = (d[0] * (k[0] - 1), d[1] * (k[1] - 1))
        spread = np.zeros((n, g * f, h + before[0], v + before[1]), delta.dtype)
        places = (slice(before[0], before[0] + (high - 1) * s[0] + 1, s[0]),
                  slice(before[1], before[1] + (wide - 1) * s[1] + 1, s[1]))
        spread[:, :, places[0], places[1]] = delta.reshape(n, g * f, high, wide)
        turned = w if self.is_wrong("convolution-kernel-not-flipped") else w[..., ::-1, ::-1]
        seen = self.split(views(spread, k, (1, 1), d), 1)
        return np.einsum("ngfhwij,gfcij->ngchw", seen, turned).reshape(n, -1, h, v)


class LoopTransposed(Conv):
    """Every entry of x stamps its filter into y."""

    def forward2d(self, x):
        self.x, (k, s, q, d), w = x, self.geometry, self.kernel
        n = self.o["groups"]
        c, f = len(w) // n, w.shape[1]
        whole = [(x.shape[2 + i] - 1) * s[i] + d[i] * (k[i] - 1) + 1 for i in (0, 1)]
        y = np.zeros((len(x), self.o["filters"], *whole), x.dtype)
        for i, j, g in np.ndindex(x.shape[2], x.shape[3], n):
            part = np.tensordot(x[:, g * c:(g + 1) * c, i, j], w[g * c:(g + 1) * c], (1, 0))
            y[:, g * f:(g + 1) * f, self.at(i, 0), self.at(j, 1)] += part
        return self.plus_bias(y[:, :, q[0]:whole[0] - q[0], q[1]:whole[1] - q[1]])

    def at(self, i, axis):
        k, s, _, d = (each[axis] for each in self.geometry)
        return slice(i * s, i * s + d * (k - 1) + 1, d)

    def backward2d(self, dy):
        w, x, q, n = self.kernel, self.x, self.geometry[2], self.o["groups"]
        c, f = len(w) // n, w.shape[1]
        self.keep_bias(dy)
        whole = np.pad(dy, ((0, 0), (0, 0), (q[0], q[0]), (q[1], q[1])))
        dw, dx = np.zeros_like(w), np.zeros_like(x)
        for i, j, g in np.ndindex(x.shape[2], x.shape[3], n):
            delta = whole[:, g * f:(g + 1) * f, self.at(i, 0), self.at(j, 1)]
            mine = slice(g * c, (g + 1) * c)
            dw[mine] += np.tensordot(x[:, mine, i, j], delta, (0, 0))
            dx[:, mine, i, j] = np.tensordot(delta, w[mine], ([1, 2, 3], [1, 2, 3]))
        self.grads["weight"] = dw[:, :, 0] if self.p["weight"].ndim == 3 else dw
        return dx


class Pool(Windowed):
    """A loop over the places; a window is cut off at the edges in place of padding."""

    def windows(self, shape):
        k, s, q, _ = self.geometry
        for i, j in np.ndindex(*(self.places(shape[2 + a], k[a], s[a], q[a]) for a in (0, 1))):
            top, left = i * s[0] - q[0], j * s[1] - q[1]
            low, right = min(top + k[0], shape[2] + q[0]), min(left + k[1], shape[3] + q[1])
            inside = (slice(max(top, 0), min(low, shape[2])), slice(max(left, 0), min(right, shape[3])))
            yield (i, j), inside, (low - top) * (right - left), (top, left)

    def places(self, n, k, s, q):
        count = 1 + (n + 2 * q - k) // s
        if self.o["ceil"] and (n + 2 * q - k) % s and count * s - q < n:
            count += 1
        return count

    def divisor(self, size, inside):
        valid = (inside[0].stop - inside[0].start) * (inside[1].stop - inside[1].start)
        whole = self.geometry[0][0] * self.geometry[0][1]
        if self.is_wrong("pooling-padding-counted"):
            return size
        if self.is_wrong("pooling-rest-counted-in-full") and self.o["count_padding"]:
            return whole
        return size if self.o["count_padding"] else valid

    def forward2d(self, x):
        self.x = x
        k, s, q, _ = self.geometry
        y = np.zeros((*x.shape[:2], *(self.places(x.shape[2 + a], k[a], s[a], q[a]) for a in (0, 1))), x.dtype)
        for (i, j), inside, size, _ in self.windows(x.shape):
            seen = x[:, :, inside[0], inside[1]]
            if self.o["function"] == "max":
                y[:, :, i, j] = seen.max((2, 3))
                whole = seen.shape[2] * seen.shape[3] == k[0] * k[1]
                if self.is_wrong("pooling-max-of-padding") and not whole:
                    y[:, :, i, j] = np.maximum(y[:, :, i, j], 0)
            else:
                y[:, :, i, j] = seen.sum((2, 3)) / self.divisor(size, inside)
        self.y = y
        return y

    def backward2d(self, dy):
        dx = np.zeros_like(self.x)
        for (i, j), inside, size, _ in self.windows(self.x.shape):
            to, delta = dx[:, :, inside[0], inside[1]], dy[:, :, i:i + 1, j:j + 1]
            if self.o["function"] == "mean":
                n = self.divisor(size, inside)
                n = 1 if self.is_wrong("pooling-mean-not-divided") else n
                n = np.prod(self.geometry[0]) if self.is_wrong("pooling-mean-divided-by-window") else n
                to += delta / np.asarray(n, dy.dtype)
                continue
            seen = self.x[:, :, inside[0], inside[1]]
            mask = seen == self.y[:, :, i:i + 1, j:j + 1]
            if not self.is_wrong("pooling-ties-counted-twice"):
                flat = mask.reshape(*mask.shape[:2], -1)
                mask = ((flat.cumsum(-1) == 1) & flat).reshape(mask.shape)
            if self.is_wrong("pooling-max-to-every-entry"):
                mask = np.ones_like(mask)
            if self.is_wrong("pooling-windows-overwritten"):
                to[...] = mask * delta
            else:
                to += mask * delta
        return dx


class GlobalPool(Layer):
    def forward(self, x):
        self.x = x
        flat = x.reshape(*x.shape[:2], -1)
        return flat.max(-1) if self.o["function"] == "max" else flat.mean(-1)

    def backward(self, dy):
        flat = self.x.reshape(*self.x.shape[:2], -1)
        dy = dy[..., None]
        if self.o["function"] == "max":
            best = np.zeros_like(flat)
            np.put_along_axis(best, flat.argmax(-1)[..., None], 1, -1)
            return (best * dy).reshape(self.x.shape)
        n = flat.shape[-1]
        n = self.x[0].size if self.is_wrong("pooling-global-counts-channels") else n
        n = self.x.shape[-1] if self.is_wrong("pooling-global-divided-by-width") else n
        n = 1 if self.is_wrong("pooling-global-not-divided") else n
        return (np.ones_like(flat) * dy / n).reshape(self.x.shape)


class Subsample(Layer):
    def forward(self, x):
        self.x, (kh, kw) = x, self.o["window"]
        n, c, h, w = x.shape
        whole = x[:, :, :h // kh * kh, :w // kw * kw]
        self.m = whole.reshape(n, c, h // kh, kh, w // kw, kw).mean((3, 5))
        self.y = self.m * self.p["coefficient"][:, None, None] + self.p["bias"][:, None, None]
        return self.y

    def backward(self, dy):
        kh, kw = self.o["window"]
        of = self.y if self.is_wrong("subsampling-coefficient-of-output") else self.m
        times = kh * kw if self.is_wrong("subsampling-coefficient-of-sum") else 1
        self.grads = {"coefficient": (of * dy).sum((0, 2, 3)) * times, "bias": dy.sum((0, 2, 3))}
        c = 1 if self.is_wrong("subsampling-without-coefficient") else self.p["coefficient"][:, None, None]
        dx = np.zeros_like(self.x)
        small = dy * c / (kh * kw)
        dx[:, :, :dy.shape[2] * kh, :dy.shape[3] * kw] = small.repeat(kh, 2).repeat(kw, 3)
        return dx


class Flatten(Layer):
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), *self.o.get("shape", [-1]))

    def backward(self, dy):
        n, c, *rest = self.shape
        if self.is_wrong("reshaping-channels-last") and rest:
            return np.moveaxis(dy.reshape(n, *rest, c), -1, 1)
        if self.is_wrong("reshaping-columns-first"):
            return np.stack([each.ravel().reshape(self.shape[1:], order="F") for each in dy])
        return dy.reshape(self.shape)


class Pad(Layer):
    def forward(self, x):
        self.shape = x.shape
        before = [(0, 0)] * (x.ndim - len(self.o["amounts"]))
        self.edges = [*before, *map(tuple, self.o["amounts"])]
        return np.pad(x, self.edges)

    def backward(self, dy):
        if self.is_wrong("padding-not-cut"):
            return dy
        behind = self.is_wrong("padding-cut-behind")
        starts = [0 if behind else a for a, _ in self.edges]
        return dy[tuple(slice(a, a + n) for a, n in zip(starts, self.shape, strict=True))]


class Upsample(Layer):
    def forward(self, x):
        self.f = self.o["factor"]
        for axis in range(2, x.ndim):
            x = x.repeat(self.f, axis)
        return x

    def backward(self, dy):
        f = self.f
        if self.is_wrong("upsampling-slice-for-sum"):
            return dy[..., ::f] if dy.ndim == 3 else dy[:, :, ::f, ::f]
        how = np.max if self.is_wrong("upsampling-max") else np.mean if self.is_wrong("upsampling-averaged") else np.sum
        for axis in range(2, dy.ndim):
            shape = (*dy.shape[:axis], dy.shape[axis] // f, f, *dy.shape[axis + 1:])
            dy = how(dy.reshape(shape), axis + 1)
        return dy


COMMON = {"dense": Dense, "activation": Activation, "conv_transpose1d": LoopTransposed,
          "conv_transpose2d": LoopTransposed, "pool1d": Pool, "pool2d": Pool, "global_pool": GlobalPool,
          "subsample2d": Subsample, "flatten": Flatten, "reshape": Flatten, "pad": Pad, "upsample": Upsample}
STYLES = {"loops": {**COMMON, "conv1d": LoopConv, "conv2d": LoopConv},
          "views": {**COMMON, "conv1d": ViewConv, "conv2d": ViewConv}}


def planted(style, wrong="", layers=IMAGES):
    """A backprop of this style with one mistake, or none."""
    kinds = STYLES[style]

    @implementation(**claims(layers))
    def backprop(network, parameters, inputs, targets):
        built, x = [], inputs
        for i, spec in enumerate(network.layers):
            mine = {name.partition(".")[2]: value for name, value in parameters.items()
                    if name.partition(".")[0] == str(i)}
            built.append(kinds[spec.kind](dict(spec.options), mine, wrong))
            x = built[-1].forward(x)
        scale = network.loss.scale / (len(x) if network.loss.reduction == "mean_over_batch" else 1)
        dy, gradients = 2 * scale * (x - targets), {}
        for i, layer in reversed(list(enumerate(built))):
            dy = layer.backward(dy)
            gradients |= {f"{i}.{name}": g for name, g in layer.grads.items()}
        return scale * np.sum((x - targets) ** 2), {**gradients, "inputs": dy}

    return backprop
