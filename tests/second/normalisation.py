"""A second backpropagation with norms, by somebody else, which shares no code with the reference.

In the style of a course's assignments: forward functions that return (out, cache), the cache a dict, backward
functions that take every step of the forward back by itself, and plain loops over the sets of numbers that share a mean.
Images and sequences are never reshaped: a set is an index into the array.

A planted fault replaces one step by a function of the mistake's name, for one kind of layer:

    net = planted("layer-norm-mean-path-missing")       # planted(None, "layer_norm") is the right one
    report = verify(net)
"""

import functools

import numpy as np
from backproof.plug.implementing import implementation
from backproof.properties.claims import Head

KINDS = ("layer_norm", "rms_norm", "batch_norm", "group_norm", "instance_norm", "weight_norm")
CENTRED = ("layer_norm", "batch_norm", "group_norm", "instance_norm")
BESIDE = {"group_norm": ("flatten",), "instance_norm": ("flatten",), "layer_norm": ("sequence",),
          "rms_norm": ("sequence",), "batch_norm": ("sequence",)}


def claims_of(kind, known):
    """What a program with this kind of layer claims; `known`: the layer kinds there are."""
    beside = [name for name in BESIDE.get(kind, ()) if name in known]
    return {
        "hidden": ("tanh", "relu"),
        "heads": [Head("identity", loss, reduction=reduction)
                  for loss in ("squared_error", "inner_product") for reduction in ("sum", "mean_over_batch")],
        "bias": "any", "dtypes": ("float64", "float32"), "layers": ("dense", kind, *beside),
    }


class Net:
    """A chain of layers: call it with (network, parameters and constants, inputs, targets)."""

    def __call__(self, network, parameters, inputs, targets):
        tape, out = [], inputs
        for i, spec in enumerate(network.to_json()["layers"]):
            own = {name.rpartition(".")[2]: value for name, value in parameters.items()
                   if name.rpartition(".")[0] == str(i)}
            out, cache = getattr(self, spec["kind"] + "_forward")(out, own, spec)
            tape.append((i, spec, own, cache))
        loss, dout = self.loss(network.to_json()["loss"], out, targets)
        grads = {}
        for i, spec, own, cache in reversed(tape):
            dout, own_grads = getattr(self, spec["kind"] + "_backward")(dout, own, spec, cache)
            grads.update({f"{i}.{name}": value for name, value in own_grads.items()})
        return loss, {**grads, "inputs": dout}

    def loss(self, spec, out, targets):
        factor = out.dtype.type(spec["scale"] / (len(out) if spec["reduction"] == "mean_over_batch" else 1))
        if spec["kind"] == "inner_product":
            return (out * targets).sum() * factor, targets * factor
        return ((out - targets)**2).sum() * factor, (out - targets) * (2 * factor)

    # --- what is not a norm -----------------------------------------------------------------------------------------

    def dense_forward(self, x, p, spec):
        out = np.einsum("...i,io->...o", x, p["weight"])
        return (out + p["bias"] if spec["bias"] else out), {"x": x}

    def dense_backward(self, dout, p, spec, cache):
        x = cache["x"].reshape(-1, cache["x"].shape[-1])
        d = dout.reshape(-1, dout.shape[-1])
        grads = {"weight": np.einsum("ri,ro->io", x, d)}
        if spec["bias"]:
            grads["bias"] = np.einsum("ro->o", d)
        return np.einsum("...o,io->...i", dout, p["weight"]), grads

    def activation_forward(self, x, p, spec):
        out = np.tanh(x) if spec["function"] == "tanh" else np.maximum(x, 0)
        return out, {"out": out}

    def activation_backward(self, dout, p, spec, cache):
        out = cache["out"]
        return (dout * (1 - out**2) if spec["function"] == "tanh" else dout * (out > 0)), {}

    def flatten_forward(self, x, p, spec):
        return x.reshape(len(x), -1), {"shape": x.shape}

    def flatten_backward(self, dout, p, spec, cache):
        return dout.reshape(cache["shape"]), {}

    # --- the sets of numbers that share a mean ----------------------------------------------------------------------

    def sets(self, spec, x):
        """An index for every set."""
        kind, image = spec["kind"], x.ndim == 4
        channels = x.shape[1] if image else x.shape[-1]

        def of_channels(n, c):
            return (n, c) if image else (n, ..., c)

        if kind in ("layer_norm", "rms_norm"):
            return list(np.ndindex(x.shape[:x.ndim - spec["axes"]]))
        if kind == "batch_norm":
            return [of_channels(slice(None), c) for c in range(channels)]
        size = channels // spec.get("groups", channels)
        return [of_channels(n, slice(c, c + size)) for n in range(len(x)) for c in range(0, channels, size)]

    def full(self, spec, a, x):
        """gamma or beta with a number for every number of x."""
        if "axes" not in spec and x.ndim == 4:
            a = a[:, None, None]
        return np.broadcast_to(a, x.shape)

    def collect(self, spec, d, a):
        """The sum of d over what `full` has repeated."""
        if "axes" not in spec and d.ndim == 4:
            return np.einsum("nchw->c", d)
        while d.ndim > a.ndim:
            d = d.sum(axis=0)
        return d

    # --- one set ----------------------------------------------------------------------------------------------------

    def root(self, spec, var):
        if spec["epsilon_on"] == "variance":
            return np.sqrt(var + spec["epsilon"])
        return np.sqrt(var) + spec["epsilon"]

    def statistics(self, spec, u):
        mu = u.mean() if spec["kind"] in CENTRED else u.mean() * 0
        return mu, ((u - mu)**2).mean()

    def fixed(self, spec):
        return spec["kind"] == "batch_norm" and not spec["training"]

    def norm_forward(self, x, p, spec):
        xhat = np.empty_like(x)
        for index in self.sets(spec, x):
            if self.fixed(spec):
                channel = index[1] if x.ndim == 4 else index[2]
                mu, var = p["mean"][channel], p["variance"][channel]
            else:
                mu, var = self.statistics(spec, x[index])
            xhat[index] = (x[index] - mu) / self.root(spec, var)
        out = self.full(spec, p["scale"], x) * xhat
        if "bias" in p:
            out = out + self.full(spec, p["bias"], x)
        return out, {"x": x, "xhat": xhat, "out": out}

    def norm_backward(self, dout, p, spec, cache):
        grads = self.learnt(dout, p, spec, cache)
        dxhat = self.dxhat(dout, p, spec, cache)
        dx = np.empty_like(dout)
        for index in self.sets(spec, dout):
            if self.fixed(spec):
                dx[index] = self.one_fixed(dxhat[index], p, spec, cache, index)
            else:
                dx[index] = self.one_set(dxhat[index], cache["x"][index], spec, cache, index)
        return dx, grads

    def dxhat(self, dout, p, spec, cache):
        return dout * self.full(spec, p["scale"], dout)

    def learnt(self, dout, p, spec, cache):
        grads = {"scale": self.collect(spec, dout * cache["xhat"], p["scale"])}
        if "bias" in p:
            grads["bias"] = self.collect(spec, dout, p["bias"])
        return grads

    def one_fixed(self, dxhat, p, spec, cache, index):
        channel = index[1] if cache["x"].ndim == 4 else index[2]
        return dxhat / self.root(spec, p["variance"][channel])

    def one_set(self, dxhat, u, spec, cache, index):
        """Every step of the forward taken back by itself."""
        mu, var = self.statistics(spec, u)
        root, centre = self.root(spec, var), u - mu
        dvar = self.dvar(spec, dxhat, centre, root, var)
        dmu = self.dmu(spec, dxhat, centre, root, dvar)
        return dxhat / root + self.share(spec, 2 * dvar, u, cache) * centre + self.share(spec, dmu, u, cache)

    def dvar(self, spec, dxhat, centre, root, var):
        droot = -(dxhat * centre).sum() / root**2
        if spec["epsilon_on"] == "variance":
            return droot / (2 * root)
        return droot / (2 * np.sqrt(var)) if var > 0 else droot * 0

    def dmu(self, spec, dxhat, centre, root, dvar):
        if spec["kind"] not in CENTRED:
            return dvar * 0
        return -(dxhat / root).sum() - 2 * dvar * centre.mean()

    def share(self, spec, total, u, cache):
        """What each number of the set has of a statistic's gradient."""
        return total / u.size

    # --- weight norm, column by column ------------------------------------------------------------------------------

    def weight_norm_forward(self, x, p, spec):
        w = np.empty_like(p["direction"])
        for j in range(w.shape[1]):
            v = p["direction"][:, j]
            w[:, j] = p["scale"][j] * v / np.sqrt(v @ v)
        out, cache = self.dense_forward(x, {**p, "weight": w}, spec)
        return out, {**cache, "w": w}

    def weight_norm_backward(self, dout, p, spec, cache):
        dx, grads = self.dense_backward(dout, {**p, "weight": cache["w"]}, spec, cache)
        dw = grads.pop("weight")
        grads["direction"], grads["scale"] = np.empty_like(dw), np.empty_like(p["scale"])
        for j in range(dw.shape[1]):
            v, g = p["direction"][:, j], p["scale"][j]
            length = np.sqrt(v @ v)
            grads["scale"][j] = self.dscale(v, dw[:, j], length)
            grads["direction"][:, j] = self.ddirection(v, g, dw[:, j], length)
        return dx, grads

    def dscale(self, v, dw, length):
        return dw @ v / length

    def ddirection(self, v, g, dw, length):
        return g / length * (dw - v * (dw @ v) / length**2)


for _kind in KINDS[:-1]:
    setattr(Net, f"{_kind}_forward", lambda net, *args: net.norm_forward(*args))
    setattr(Net, f"{_kind}_backward", lambda net, *args: net.norm_backward(*args))


# --- planting --------------------------------------------------------------------------------------------------------

PLANTED = {}


def wrong(method, *kinds):
    """The function below is one mistake of these kinds of layer: called for `method` as function(net, right, *args)."""
    def keep(function):
        for kind in kinds:
            name = f"{kind}_{function.__name__}".replace("_", "-")
            PLANTED[name] = kind, method, function
        return function
    return keep


def planted(fault=None, kind="layer_norm", known=()):
    """A fresh network with one fault planted in it, with its claims; the right one for None."""
    method = function = None
    if fault is not None:
        kind, method, function = PLANTED[fault]
    net = Net()
    if method is not None:
        setattr(net, method, functools.partial(function, net, getattr(net, method)))

    def backprop(network, parameters, inputs, targets):
        return net(network, parameters, inputs, targets)

    backprop.__qualname__ = fault or f"right_{kind}"
    return implementation(**claims_of(kind, known))(backprop)


ALL = (*CENTRED, "rms_norm")
IMAGES = ("group_norm", "instance_norm")


@wrong("dmu", *CENTRED)
def mean_path_missing(net, right, *args):
    return right(*args) * 0


@wrong("dvar", *ALL)
def variance_path_missing(net, right, *args):
    return right(*args) * 0


@wrong("one_set", *CENTRED)
def statistics_as_constants(net, right, dxhat, u, spec, cache, index):
    return dxhat / net.root(spec, net.statistics(spec, u)[1])


@wrong("dvar", *ALL)
def unbiased_variance_backward(net, right, spec, dxhat, centre, root, var):
    return right(spec, dxhat, centre, root, var) * centre.size / max(centre.size - 1, 1)


@wrong("share", *ALL)
def sums_for_means(net, right, spec, total, u, cache):
    return total


@wrong("share", "layer_norm", "rms_norm", "group_norm", "instance_norm")
def divided_by_batch(net, right, spec, total, u, cache):
    return total / len(cache["x"])


@wrong("dxhat", *ALL)
def scale_forgotten(net, right, dout, p, spec, cache):
    return right(dout, p, spec, cache) if net.fixed(spec) else dout


@wrong("one_set", *ALL)
def averaged_over_the_set(net, right, dxhat, u, spec, cache, index):
    return right(dxhat, u, spec, cache, index) / u.size


@wrong("one_set", *CENTRED)
def normalised_from_output(net, right, dxhat, u, spec, cache, index):
    """The short formula, with the output for the normalised input."""
    out, std = cache["out"][index], net.root(spec, net.statistics(spec, u)[1])
    return (dxhat - dxhat.mean() - out * (dxhat * out).mean()) / std


@wrong("one_set", *ALL)
def epsilon_forgotten(net, right, dxhat, u, spec, cache, index):
    mu, var = net.statistics(spec, u)
    std, xhat = np.sqrt(var), (u - mu) / net.root(spec, var)
    mean = dxhat.mean() if spec["kind"] in CENTRED else 0
    if std == 0:
        std = u.dtype.type(1e-15)
    return (dxhat - mean - xhat * (dxhat * xhat).mean()) / std


@wrong("one_set", *ALL)
def epsilon_elsewhere(net, right, dxhat, u, spec, cache, index):
    mu, var = net.statistics(spec, u)
    std, xhat = np.sqrt(var) + spec["epsilon"], (u - mu) / net.root(spec, var)
    mean = dxhat.mean() if spec["kind"] in CENTRED else 0
    return (dxhat - mean - xhat * (dxhat * xhat).mean()) / std


@wrong("learnt", *ALL)
def scale_gradient_of_input(net, right, dout, p, spec, cache):
    return {**right(dout, p, spec, cache), "scale": net.collect(spec, dout * cache["x"], p["scale"])}


@wrong("learnt", *ALL)
def scale_gradient_of_output(net, right, dout, p, spec, cache):
    return {**right(dout, p, spec, cache), "scale": net.collect(spec, dout * cache["out"], p["scale"])}


@wrong("learnt", *ALL)
def scale_gradient_missing(net, right, dout, p, spec, cache):
    return {**right(dout, p, spec, cache), "scale": np.zeros_like(p["scale"])}


@wrong("learnt", *ALL)
def scale_gradient_averaged(net, right, dout, p, spec, cache):
    grads = right(dout, p, spec, cache)
    return {**grads, "scale": grads["scale"] * p["scale"].size / dout.size}


@wrong("learnt", *CENTRED)
def bias_gradient_averaged(net, right, dout, p, spec, cache):
    grads = right(dout, p, spec, cache)
    return {**grads, "bias": grads["bias"] * p["bias"].size / dout.size}


@wrong("learnt", *ALL)
def last_rows_dropped(net, right, dout, p, spec, cache):
    short = {name: value[:-1] for name, value in cache.items()}
    return {name: np.zeros_like(p[name]) if len(dout) == 1 else value
            for name, value in right(dout[:-1], p, spec, short).items()}


@wrong("norm_backward", *IMAGES)
def sums_over_width_only(net, right, dout, p, spec, cache):
    """The short formula, with means along the last axis of the image."""
    _, grads = right(dout, p, spec, cache)
    g, xhat, std = net.dxhat(dout, p, spec, cache), cache["xhat"], np.empty_like(dout)
    for index in net.sets(spec, dout):
        std[index] = net.root(spec, net.statistics(spec, cache["x"][index])[1])
    return (g - g.mean(axis=-1, keepdims=True) - xhat * (g * xhat).mean(axis=-1, keepdims=True)) / std, grads


@wrong("learnt", *IMAGES)
def gradients_of_first_place(net, right, dout, p, spec, cache):
    place = (slice(None), slice(None), 0, 0)
    return {"scale": (dout * cache["xhat"])[place].sum(axis=0), "bias": dout[place].sum(axis=0)}


@wrong("one_set", "batch_norm")
def running_variance_backward(net, right, dxhat, u, spec, cache, index):
    xhat, running = cache["xhat"][index], 0.9 + 0.1 * net.statistics(spec, u)[1]
    return (dxhat - dxhat.mean() - xhat * (dxhat * xhat).mean()) / net.root(spec, running)


@wrong("one_fixed", "batch_norm")
def trained_backward_after_training(net, right, dxhat, p, spec, cache, index):
    xhat = cache["xhat"][index]
    channel = index[1] if cache["x"].ndim == 4 else index[2]
    return (dxhat - dxhat.mean() - xhat * (dxhat * xhat).mean()) / net.root(spec, p["variance"][channel])


@wrong("dxhat", "group_norm")
def wrong_group_index(net, right, dout, p, spec, cache):
    size = len(p["scale"]) // spec["groups"]
    return right(dout, {**p, "scale": np.tile(p["scale"][:size], spec["groups"])}, spec, cache)


@wrong("ddirection", "weight_norm")
def direction_not_projected(net, right, v, g, dw, length):
    return g / length * dw


@wrong("ddirection", "weight_norm")
def direction_of_weight(net, right, v, g, dw, length):
    return dw


@wrong("ddirection", "weight_norm")
def direction_not_divided(net, right, v, g, dw, length):
    return g * (dw - v * (dw @ v) / length**2)


@wrong("dscale", "weight_norm")
def scale_not_divided(net, right, v, dw, length):
    return dw @ v
