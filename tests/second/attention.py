"""A second backpropagation through attention and transformer blocks, which shares no code with the reference.

In the style of llm.c: a loop over the examples, the heads and the steps that ask, one row of scores at a time, and
caches in dicts. Heads are never an axis of their own: a head is a slice of the channels.

A planted fault replaces one step by a function of the mistake's name:

    net = planted("attention-scale-forgotten")       # planted(None, "attention") is the right one
    report = verify(net)
"""

import functools
import math

import numpy as np
from backproof.plug.implementing import implementation
from backproof.properties.claims import Head

KINDS = ("attention", "transformer_block")


def claims_of(kind, known=()):
    """What a program with such layers claims."""
    return {
        "hidden": ("tanh", "gelu"),
        "heads": [Head("identity", loss, reduction=reduction)
                  for loss in ("squared_error", "inner_product") for reduction in ("sum", "mean_over_batch")],
        "bias": "any", "dtypes": ("float64", "float32"), "layers": ("dense", kind),
    }


class Net:
    """Layers one after another: call it with (network, parameters and constants, inputs, targets)."""

    def __call__(self, network, parameters, inputs, targets):
        grads = {}
        out, tape = self.chain_forward(network.to_json()["layers"], "", parameters, inputs)
        loss, dout = self.loss(network.to_json()["loss"], out, targets)
        return loss, {"inputs": self.chain_backward(dout, tape, grads), **grads}

    def loss(self, spec, out, targets):
        factor = out.dtype.type(spec["scale"] / (len(out) if spec["reduction"] == "mean_over_batch" else 1))
        if spec["kind"] == "inner_product":
            return (out * targets).sum() * factor, targets * factor
        return ((out - targets)**2).sum() * factor, (out - targets) * (2 * factor)

    def chain_forward(self, layers, prefix, parameters, x):
        tape = []
        for i, spec in enumerate(layers):
            name = f"{prefix}{i}"
            own = {key.rpartition(".")[2]: value for key, value in parameters.items()
                   if key.rpartition(".")[0] == name}
            if spec["kind"] == "parallel":
                own = parameters
            x, cache = getattr(self, spec["kind"] + "_forward")(x, own, spec, name)
            tape.append((name, spec, own, cache))
        return x, tape

    def chain_backward(self, dout, tape, grads):
        for name, spec, own, cache in reversed(tape):
            dout = getattr(self, spec["kind"] + "_backward")(dout, own, spec, cache, name, grads)
        return dout

    # --- what every network has -------------------------------------------------------------------------------------

    def linear(self, x, p, name, bias):
        out = np.einsum("...i,io->...o", x, p[f"{name}weight"])
        return out + p[f"{name}bias"] if bias else out

    def linear_backward(self, dout, x, p, name, bias, prefix, grads):
        grads[f"{prefix}.{name}weight"] = np.einsum("ri,ro->io", x.reshape(-1, x.shape[-1]),
                                                    dout.reshape(-1, dout.shape[-1]))
        if bias:
            grads[f"{prefix}.{name}bias"] = self.bias_gradient(name, dout)
        return np.einsum("...o,io->...i", dout, p[f"{name}weight"])

    def bias_gradient(self, name, dout):
        return dout.reshape(-1, dout.shape[-1]).sum(axis=0)

    def dense_forward(self, x, p, spec, name):
        return self.linear(x, p, "", spec["bias"]), {"x": x}

    def dense_backward(self, dout, p, spec, cache, name, grads):
        return self.linear_backward(dout, cache["x"], p, "", spec["bias"], name, grads)

    def activation_forward(self, x, p, spec, name):
        if spec["function"] == "tanh":
            return np.tanh(x), {"x": x}
        return x * self.cdf(x), {"x": x}

    def cdf(self, x):
        """Of the normal distribution, entry by entry."""
        return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.ravel().tolist()],
                        dtype=x.dtype).reshape(x.shape)

    def activation_backward(self, dout, p, spec, cache, name, grads):
        x = cache["x"]
        if spec["function"] == "tanh":
            return dout * (1 - np.tanh(x)**2)
        return dout * (self.cdf(x) + x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi))

    def layer_norm_forward(self, x, p, spec, name):
        """One row at a time, as llm.c has it; mean and 1 / deviation are kept."""
        out, rows = np.empty_like(x), {}
        for at in np.ndindex(x.shape[:-1]):
            mean = x[at].mean()
            shift = x[at] - mean
            rstd = 1 / np.sqrt((shift * shift).mean() + spec["epsilon"])
            rows[at] = mean, rstd
            out[at] = shift * rstd * p["scale"] + p["bias"]
        return out, {"x": x, "rows": rows}

    def layer_norm_backward(self, dout, p, spec, cache, name, grads):
        dx = np.empty_like(dout)
        dscale, dbias = np.zeros_like(p["scale"]), np.zeros_like(p["bias"])
        for at, (mean, rstd) in cache["rows"].items():
            norm = (cache["x"][at] - mean) * rstd
            dnorm = p["scale"] * dout[at]
            dx[at] = (dnorm - dnorm.mean() - norm * (dnorm * norm).mean()) * rstd
            dscale += dout[at] * norm
            dbias += dout[at]
        grads[f"{name}.scale"], grads[f"{name}.bias"] = dscale, dbias
        return dx

    # --- residuals --------------------------------------------------------------------------------------------------

    def parallel_forward(self, x, parameters, spec, name):
        """Only what a transformer block is made of: x and something added to it."""
        assert spec["combine"] == "add"
        assert spec["branches"][0] == []
        out, tape = self.chain_forward(spec["branches"][1], f"{name}.1.", parameters, x)
        return x + out, {"tape": tape}

    def parallel_backward(self, dout, parameters, spec, cache, name, grads):
        return dout + self.chain_backward(dout, cache["tape"], grads)

    # --- attention --------------------------------------------------------------------------------------------------

    def heads(self, spec, n):
        heads = spec["heads"]
        return heads, spec["key_heads"] or heads, spec["width"] or n // heads

    def allowed(self, spec, mask, t, steps):
        """The steps that step t may see."""
        return [s for s in range(steps) if (not spec["causal"] or s <= t) and (mask is None or mask[s] == 1)]

    def rotate(self, row, t, spec, sign):
        """A head's row of step t, every pair turned."""
        width, out = len(row), row.copy()
        for i in range(width // 2 if spec["rotary"] != "none" else 0):
            a, b = (2 * i, 2 * i + 1) if spec["rotary"] == "pairs" else (i, i + width // 2)
            angle = t / 10000 ** (2 * i / width)
            c, s = math.cos(angle), sign * math.sin(angle)
            out[a], out[b] = row[a] * c - row[b] * s, row[a] * s + row[b] * c
        return out

    def turned(self, x, heads, spec, sign):
        out = np.empty_like(x)
        width = x.shape[-1] // heads
        for b, t, h in np.ndindex(*x.shape[:2], heads):
            here = slice(h * width, (h + 1) * width)
            out[b, t, here] = self.rotate(x[b, t, here], t, spec, sign)
        return out

    def weights(self, spec, scores, seen):
        """A row of weights from a row of scores: 0 for all that is not seen, and for a row that sees nothing."""
        att = np.zeros_like(scores)
        if seen:
            e = np.exp(scores[seen] - scores[seen].max())
            att[seen] = e / e.sum()
        return att

    def attention_forward(self, x, p, spec, name):
        batch, steps, n = x.shape
        heads, groups, width = self.heads(spec, n)
        q, k, v = (self.linear(x, p, f"{part}_", spec["bias"]) for part in ("query", "key", "value"))
        q, k = self.turned(q, heads, spec, 1), self.turned(k, groups, spec, 1)
        att = np.zeros((batch, heads, steps, steps), x.dtype)
        raw, mixed = np.zeros_like(att), np.zeros((batch, steps, heads * width), x.dtype)
        for b, h, t in np.ndindex(batch, heads, steps):
            mine, theirs = self.columns(h, heads, groups, width)
            raw[b, h, t] = k[b, :, theirs] @ q[b, t, mine] / math.sqrt(width)
            seen = self.allowed(spec, p["mask"][b] if spec["mask"] else None, t, steps)
            att[b, h, t] = self.weights(spec, self.capped(spec, raw[b, h, t]), seen)
            mixed[b, t, mine] = att[b, h, t] @ v[b, :, theirs]
        cache = {"x": x, "q": q, "k": k, "v": v, "raw": raw, "att": att, "mixed": mixed,
                 "mask": p["mask"] if spec["mask"] else None}
        return self.linear(mixed, p, "output_", spec["bias"]), cache

    def columns(self, h, heads, groups, width):
        """The channels of a head, among the queries and among the keys."""
        g = h // (heads // groups)
        return slice(h * width, (h + 1) * width), slice(g * width, (g + 1) * width)

    def capped(self, spec, scores):
        return scores if spec["softcap"] is None else spec["softcap"] * np.tanh(scores / spec["softcap"])

    def attention_backward(self, dout, p, spec, cache, name, grads):
        bias, x = spec["bias"], cache["x"]
        heads, groups, width = self.heads(spec, x.shape[-1])
        dmixed = self.linear_backward(dout, cache["mixed"], p, "output_", bias, name, grads)
        dq, dk, dv = (np.zeros_like(cache[part]) for part in "qkv")
        for b, h, t in np.ndindex(len(x), heads, x.shape[1]):
            self.one_row(spec, cache, dmixed, (dq, dk, dv), b, h, t, heads, groups, width)
        dq, dk = self.turned_back(spec, dq, heads), self.turned_back(spec, dk, groups)
        parts = [self.linear_backward(d, x, p, f"{part}_", bias, name, grads)
                 for part, d in (("query", dq), ("key", dk), ("value", dv))]
        return self.into_inputs(parts)

    def into_inputs(self, parts):
        return parts[0] + parts[1] + parts[2]

    def turned_back(self, spec, d, heads):
        return self.turned(d, heads, spec, -1)

    def one_row(self, spec, cache, dmixed, into, b, h, t, heads, groups, width):
        """The gradients of one row of scores, added to those of the queries, keys and values."""
        dq, dk, dv = into
        mine, theirs = self.columns(h, heads, groups, width)
        share = self.share(h, heads // groups)
        att = self.att(spec, cache, b, h, t)
        d = self.dmixed(dmixed, b, h, t, mine)
        self.add_values(spec, dv, d * share, att, cache, b, h, t, theirs)
        datt = cache["v"][b, :, theirs] @ d
        dscores = self.through_softmax(att, datt, cache, spec, b, t)
        dscores = self.through_cap(spec, dscores, cache["raw"][b, h, t]) * self.scale(width)
        dq[b, t, mine] += dscores @ cache["k"][b, :, theirs]
        self.add_keys(dk, dscores * share, cache["q"], b, t, mine, theirs)

    def share(self, h, group):
        return 1.0

    def att(self, spec, cache, b, h, t):
        return cache["att"][b, h, t]

    def dmixed(self, dmixed, b, h, t, mine):
        return dmixed[b, t, mine]

    def scale(self, width):
        return 1 / math.sqrt(width)

    def through_softmax(self, att, datt, cache, spec, b, t):
        return att * (datt - att @ datt)

    def through_cap(self, spec, dscores, raw):
        if spec["softcap"] is None:
            return dscores
        return dscores * (1 - np.tanh(raw / spec["softcap"])**2)

    def add_values(self, spec, dv, d, att, cache, b, h, t, theirs):
        dv[b, :, theirs] += np.outer(att, d)

    def add_keys(self, dk, dscores, q, b, t, mine, theirs):
        dk[b, :, theirs] += np.outer(dscores, q[b, t, mine])


# --- planting --------------------------------------------------------------------------------------------------------

PLANTED = {}


def wrong(method, kind="attention"):
    """The function below is one mistake: called for `method` as function(net, right, *args)."""
    def keep(function):
        PLANTED[function.__name__.replace("_", "-")] = kind, method, function
        return function
    return keep


def planted(fault=None, kind="attention", known=()):
    """A fresh network with one fault planted in it, with its claims; the right one for None."""
    net = Net()
    if fault is not None:
        kind, method, function = PLANTED[fault]
        setattr(net, method, functools.partial(function, net, getattr(net, method)))

    def backprop(network, parameters, inputs, targets):
        return net(network, parameters, inputs, targets)

    backprop.__qualname__ = fault or f"right_{kind}"
    return implementation(**claims_of(kind, known))(backprop)


@wrong("through_softmax")
def attention_softmax_diagonal_only(net, right, att, datt, cache, spec, b, t):
    return att * (1 - att) * datt


@wrong("through_softmax")
def attention_softmax_left_out(net, right, att, datt, cache, spec, b, t):
    seen = net.allowed(spec, None if cache["mask"] is None else cache["mask"][b], t, len(att))
    return np.where(np.isin(np.arange(len(att)), seen), datt, 0 * datt)


@wrong("scale")
def attention_scale_forgotten(net, right, width):
    return 1.0


@wrong("scale")
def attention_scale_twice(net, right, width):
    return 1 / width


def again(net, spec, cache, b, h, t, mask, later=0, **options):
    """A row of weights computed anew, with other options."""
    seen = net.allowed({**spec, **options}, mask, t + later, cache["raw"].shape[-1])
    return net.weights(spec, net.capped(spec, cache["raw"][b, h, t]), seen)


def mask_of(cache, b):
    return None if cache["mask"] is None else cache["mask"][b]


@wrong("att")
def attention_mask_forgotten_backward(net, right, spec, cache, b, h, t):
    return again(net, spec, cache, b, h, t, None)


@wrong("att")
def attention_causal_forgotten_backward(net, right, spec, cache, b, h, t):
    return again(net, spec, cache, b, h, t, mask_of(cache, b), causal=False)


@wrong("att")
def attention_causal_off_by_one(net, right, spec, cache, b, h, t):
    return again(net, spec, cache, b, h, t, mask_of(cache, b), later=1)


@wrong("share")
def attention_keys_of_first_head_only(net, right, h, group):
    return 1.0 if h % group == 0 else 0.0


@wrong("share")
def attention_keys_averaged_over_heads(net, right, h, group):
    return 1.0 / group


@wrong("dmixed")
def attention_heads_not_merged(net, right, dmixed, b, h, t, mine):
    width = mine.stop - mine.start
    start = (h * dmixed.shape[1] + t) * width
    return dmixed[b].ravel()[start:start + width]


@wrong("one_row")
def attention_queries_and_keys_exchanged(net, right, spec, cache, dmixed, into, b, h, t, heads, groups, width):
    """Each is added to the other's buffer, where heads are not shared: where they are, by the same rows."""
    own = tuple(np.zeros_like(d) for d in into)
    right(spec, cache, dmixed, own, b, h, t, heads, groups, width)
    mine, theirs = net.columns(h, heads, groups, width)
    into[0][b, :, mine] += own[1][b, :, theirs]
    into[1][b, :, theirs] += own[0][b, :, mine]
    into[2][:] += own[2]


@wrong("add_keys")
def attention_scores_not_transposed(net, right, dk, dscores, q, b, t, mine, theirs):
    dk[b, t, theirs] += dscores @ q[b, :, mine]


@wrong("add_values")
def attention_values_by_scores(net, right, spec, dv, d, att, cache, b, h, t, theirs):
    scores = net.capped(spec, cache["raw"][b, h, t])
    seen = net.allowed(spec, mask_of(cache, b), t, len(att))
    right(spec, dv, d, np.where(np.isin(np.arange(len(att)), seen), scores, 0 * scores), cache, b, h, t, theirs)


@wrong("add_values")
def attention_values_not_transposed(net, right, spec, dv, d, att, cache, b, h, t, theirs):
    """The weights that others have for this step meet what this one was handed."""
    right(spec, dv, d, 0 * att, cache, b, h, t, theirs)
    column = cache["att"][b, h, :, t]
    dv[b, :, theirs] += np.outer(column, d)


@wrong("through_cap")
def attention_softcap_derivative_forgotten(net, right, spec, dscores, raw):
    return dscores


@wrong("turned_back")
def attention_rotary_not_turned_back(net, right, spec, d, heads):
    return d


@wrong("turned_back")
def attention_rotary_turned_on(net, right, spec, d, heads):
    return net.turned(d, heads, spec, 1)


@wrong("into_inputs")
def attention_inputs_by_queries_alone(net, right, parts):
    return parts[0]


@wrong("bias_gradient")
def attention_query_bias_missing(net, right, name, dout):
    return right(name, dout) * (name != "query_")


@wrong("bias_gradient")
def attention_value_bias_missing(net, right, name, dout):
    return right(name, dout) * (name != "value_")


@wrong("parallel_backward", "transformer_block")
def transformer_residual_dropped(net, right, dout, parameters, spec, cache, name, grads):
    return net.chain_backward(dout, cache["tape"], grads)


@wrong("parallel_backward", "transformer_block")
def transformer_residual_through_norm(net, right, dout, parameters, spec, cache, name, grads):
    (first, norm, own, kept), *rest = cache["tape"]
    dinner, other = net.chain_backward(dout, rest, grads), {}
    net.layer_norm_backward(dinner, own, norm, kept, first, grads)
    return net.layer_norm_backward(dinner + dout, own, norm, kept, first, other)


@wrong("parallel_backward", "transformer_block")
def transformer_residual_twice(net, right, dout, parameters, spec, cache, name, grads):
    return right(dout, parameters, spec, cache, name, grads) + dout
