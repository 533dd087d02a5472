"""A second recurrent network, by somebody else, which shares no code with the reference.

As a blog post has it: one example at a time, vectors, a matrix for each gate over the state and the input put together,
a list with one dictionary for each step, and a loop back through that list. Every known mistake is planted as another
text of one line:

    net = planted("lstm-cell-error-overwritten")       # planted() is the right one
    report = verify(net)
"""

import functools
import inspect
import textwrap

import numpy as np
from backproof.plug.implementing import implementation
from backproof.properties.claims import Head

STEPS = 2  # kept, where backpropagation through time is cut short


def claims_of(kind):
    """What a program with this kind of layer claims."""
    return {"hidden": ("tanh",), "bias": "any", "dtypes": ("float64",), "depth": (1, 3),
            "heads": [Head("identity", "squared_error", reduction=reduction) for reduction in ("sum", "mean_over_batch")],
            "layers": ("dense", "rnn", "bidirectional") if kind == "bidirectional" else ("dense", kind)}


def sigmoid(v):
    return 0.5 * (1 + np.tanh(0.5 * v))


def zeros_like(model):
    return {name: np.zeros_like(value) for name, value in model.items()}


class Net:
    """A chain of layers: call it with (network, parameters and constants, inputs, targets)."""

    def __call__(self, network, parameters, inputs, targets):
        spec, self.p, self.grads = network.to_json(), parameters, {}
        out, tape = self.chain(spec["layers"], "", inputs)
        factor = spec["loss"]["scale"] / (len(out) if spec["loss"]["reduction"] == "mean_over_batch" else 1)
        dx = self.chain_back(tape, 2 * factor * (out - targets))
        return factor * ((out - targets)**2).sum(), {**self.grads, "inputs": dx}

    def chain(self, layers, prefix, x):
        tape = []
        for i, spec in enumerate(layers):
            x, cache = getattr(self, spec["kind"])(f"{prefix}{i}", spec, x)
            tape.append((f"{prefix}{i}", spec, cache))
        return x, tape

    def chain_back(self, tape, dy):
        for name, spec, cache in reversed(tape):
            dy = getattr(self, spec["kind"] + "_back")(name, spec, cache, dy)
        return dy

    # --- what is not recurrent --------------------------------------------------------------------------------------

    def dense(self, name, spec, x):
        return x @ self.p[f"{name}.weight"] + self.p.get(f"{name}.bias", 0), x

    def dense_back(self, name, spec, x, dy):
        columns = dy.reshape(-1, dy.shape[-1])
        self.grads[f"{name}.weight"] = x.reshape(-1, x.shape[-1]).T @ columns
        if spec["bias"]:
            self.grads[f"{name}.bias"] = columns.sum(0)
        return dy @ self.p[f"{name}.weight"].T

    def activation(self, name, spec, x):
        return (np.tanh(x), x) if spec["function"] == "tanh" else (x, x)

    def activation_back(self, name, spec, x, dy):
        return dy / np.cosh(np.minimum(abs(x), 300))**2 if spec["function"] == "tanh" else dy

    def parallel(self, name, spec, x):
        """Two directions."""
        runs = [self.chain(branch, f"{name}.{b}.", x) for b, branch in enumerate(spec["branches"])]
        ys = [y for y, _ in runs]
        return (sum(ys) if spec["combine"] == "add" else np.concatenate(ys, -1)), [tape for _, tape in runs]

    def parallel_back(self, name, spec, tapes, dy):
        dys = [dy, dy] if spec["combine"] == "add" else np.split(dy, 2, axis=-1)
        return sum(self.chain_back(tape, d) for tape, d in zip(tapes, dys, strict=True))

    # --- a recurrent layer, example by example ----------------------------------------------------------------------

    def recurrent(self, name, spec, x):
        model, caches, y = self.read(name, spec, x.dtype), [], []
        for n in range(len(x)):
            hs, cache = self.through_time(name, spec, model, n, x[n][::-1] if spec["reverse"] else x[n])
            caches.append(cache)
            y.append(hs[-1] if spec["returns"] == "last" else hs[::-1] if spec["reverse"] else hs)
        return np.array(y), (model, caches)

    def through_time(self, name, spec, model, n, xs):
        m, hs, caches = spec["units"], [], []
        h = self.p[f"{name}.initial_state"][n] if spec["initial_state"] else np.zeros(m, xs.dtype)
        C = self.p[f"{name}.initial_cell"][n] if spec.get("initial_cell") else np.zeros(m, xs.dtype)
        mask = self.p[f"{name}.mask"][n] if spec["mask"] else np.ones(len(xs), xs.dtype)
        for x, live in zip(xs, mask[::-1] if spec["reverse"] else mask, strict=True):
            cache = getattr(self, spec["kind"] + "_step")(spec, model, x, h, C)
            cache["live"] = live
            h, C = live * cache["h"] + (1 - live) * h, live * cache.get("C", C) + (1 - live) * C
            hs.append(h)
            caches.append(cache)
        return hs, caches

    def recurrent_back(self, name, spec, saved, dy):
        model, caches = saved
        grads, dx, dh0, dC0 = zeros_like(model), [], [], []
        for n in range(len(dy)):
            dys = self.errors(spec, dy[n], len(caches[n]))
            mine = zeros_like(model)
            dxs, dh, dC = self.bptt(spec, model, caches[n], dys, mine)
            dx.append(dxs[::-1] if spec["reverse"] else dxs)
            dh0.append(dh)
            dC0.append(dC)
            for key, value in mine.items():
                grads[key] += value
        self.write(name, spec, grads)
        if spec["initial_state"]:
            self.grads[f"{name}.initial_state"] = np.array(dh0)
        if spec.get("initial_cell"):
            self.grads[f"{name}.initial_cell"] = np.array(dC0)
        return np.array(dx)

    def errors(self, spec, dy, steps):
        if spec["returns"] == "last":
            return [0 * dy] * (steps - 1) + [dy]
        return dy[::-1] if spec["reverse"] else dy

    def bptt(self, spec, model, caches, dys, grads):
        T = len(caches)
        step_back = getattr(self, spec["kind"] + "_step_back")
        dxs, dh_next, dC_next = [0 * c["x"] for c in caches], 0 * dys[0], 0 * dys[0]
        for t in reversed(range(T)):
            live = caches[t]["live"]
            dh, dC = dys[t] + dh_next, dC_next
            dxs[t], dh_prev, dC_prev = step_back(spec, model, caches[t], live * dh, live * dC, grads)
            dh_next, dC_next = dh_prev + (1 - live) * dh, dC_prev + (1 - live) * dC
        return dxs, dh_next, dC_next

    rnn = lstm = gru = recurrent
    rnn_back = lstm_back = gru_back = recurrent_back

    # --- a matrix for each gate, over [h, x] ------------------------------------------------------------------------

    def gates(self, spec):
        if spec["kind"] == "lstm":
            return "fgo" if spec["coupled"] else "ifgo"
        return "rzn" if spec["kind"] == "gru" else "h"

    def blocks(self, spec):
        m = spec["units"]
        return [(gate, slice(k * m, (k + 1) * m)) for k, gate in enumerate(self.gates(spec))]

    def read(self, name, spec, dtype):
        W, U = self.p[f"{name}.weight"], self.p[f"{name}.recurrent_weight"]
        b, d = (self.p.get(f"{name}.{bias}", np.zeros(W.shape[1], dtype)) for bias in ("bias", "recurrent_bias"))
        model = {}
        for gate, block in self.blocks(spec):
            model["W" + gate] = np.concatenate([U[:, block], W[:, block]]).T.copy()
            model["b" + gate] = b[block].copy()
            model["d" + gate] = d[block].copy()
        for k, gate in enumerate(self.gates(spec).replace("g", "") if spec.get("peephole") else ""):
            model["p" + gate] = self.p[f"{name}.peephole"][k].copy()
        return model

    def write(self, name, spec, grads):
        m, gates = spec["units"], self.gates(spec)
        both = np.concatenate([grads["W" + gate].T for gate in gates], axis=1)
        self.grads[f"{name}.recurrent_weight"], self.grads[f"{name}.weight"] = both[:m], both[m:]
        for bias in ("bias", "recurrent_bias"):
            if spec[bias]:
                self.grads[f"{name}.{bias}"] = np.concatenate([grads[bias[0].replace("r", "d") + g] for g in gates])
        if spec.get("peephole"):
            self.grads[f"{name}.peephole"] = np.array([grads["p" + gate] for gate in gates.replace("g", "")])

    # --- rnn --------------------------------------------------------------------------------------------------------

    def rnn_step(self, spec, m, x, h_prev, C):
        z = m["Wh"] @ np.concatenate([h_prev, x]) + m["bh"] + m["dh"]
        h = {"tanh": np.tanh, "sigmoid": sigmoid, "relu": lambda z: z * (z > 0)}[spec["function"]](z)
        return {"x": x, "h_prev": h_prev, "h": h}

    def rnn_step_back(self, spec, m, c, dh, dC, grads):
        h = c["h"]
        dz = dh * {"tanh": 1 - h * h, "sigmoid": h * (1 - h), "relu": h > 0}[spec["function"]]
        grads["Wh"] += np.outer(dz, np.concatenate([c["h_prev"], c["x"]]))
        grads["bh"] += dz
        grads["dh"] += dz
        dhx = m["Wh"].T @ dz
        return dhx[len(h):], dhx[:len(h)], dC

    # --- lstm -------------------------------------------------------------------------------------------------------

    def lstm_step(self, spec, m, x, h_prev, C_prev):
        hx, P = np.concatenate([h_prev, x]), {k: m.get("p" + k, 0) for k in "ifo"}
        f = sigmoid(m["Wf"] @ hx + m["bf"] + m["df"] + P["f"] * C_prev)
        i = 1 - f if spec["coupled"] else sigmoid(m["Wi"] @ hx + m["bi"] + m["di"] + P["i"] * C_prev)
        g = np.tanh(m["Wg"] @ hx + m["bg"] + m["dg"])
        C = f * C_prev + i * g
        o = sigmoid(m["Wo"] @ hx + m["bo"] + m["do"] + P["o"] * C)
        return {"x": x, "h_prev": h_prev, "C_prev": C_prev, "i": i, "f": f, "g": g, "o": o, "C": C, "h": o * np.tanh(C)}

    def lstm_step_back(self, spec, m, c, dh, dC, grads):
        i, f, g, o, C, C_prev = (c[name] for name in ("i", "f", "g", "o", "C", "C_prev"))
        P = {k: m.get("p" + k, 0) for k in "ifo"}
        do = dh * np.tanh(C)
        dz = {"o": do * o * (1 - o)}
        dC = dC + dh * o * (1 - np.tanh(C)**2) + P["o"] * dz["o"]
        df = dC * C_prev
        di = dC * g
        dz["g"] = dC * i * (1 - g * g)
        if spec["coupled"]:
            df = df - di
        else:
            dz["i"] = di * i * (1 - i)
        dz["f"] = df * f * (1 - f)
        dC_prev = dC * f + P["f"] * dz["f"] + P["i"] * dz.get("i", 0)
        hx, dhx = np.concatenate([c["h_prev"], c["x"]]), 0
        for gate in dz:
            grads["W" + gate] += np.outer(dz[gate], hx)
            grads["b" + gate] += dz[gate]
            grads["d" + gate] += dz[gate]
            dhx = dhx + m["W" + gate].T @ dz[gate]
        for gate in dz:
            if "p" + gate in m:
                grads["p" + gate] += dz[gate] * (C if gate == "o" else C_prev)
        return dhx[len(C):], dhx[:len(C)], dC_prev

    # --- gru --------------------------------------------------------------------------------------------------------

    def gru_step(self, spec, m, x, h_prev, C):
        k, hx = len(h_prev), np.concatenate([h_prev, x])
        r = sigmoid(m["Wr"] @ hx + m["br"] + m["dr"])
        z = sigmoid(m["Wz"] @ hx + m["bz"] + m["dz"])
        past = m["Wn"][:, :k] @ h_prev + m["dn"]
        if spec["reset"] == "after":
            n = np.tanh(m["Wn"][:, k:] @ x + m["bn"] + r * past)
        else:
            n = np.tanh(m["Wn"] @ np.concatenate([r * h_prev, x]) + m["bn"])
        return {"x": x, "h_prev": h_prev, "r": r, "z": z, "n": n, "past": past, "h": n + z * (h_prev - n)}

    def gru_step_back(self, spec, m, c, dh, dC, grads):
        x, h_prev, r, z, n = (c[name] for name in ("x", "h_prev", "r", "z", "n"))
        k = len(h_prev)
        dn = dh * (1 - z)
        dz = dh * (h_prev - n)
        dh_prev = dh * z
        dzn = dn * (1 - n * n)
        grads["bn"] += dzn
        if spec["reset"] == "after":
            dpast = dzn * r
            dr = dzn * c["past"]
            grads["Wn"] += np.outer(dzn, np.concatenate([0 * h_prev, x])) + np.outer(
                dpast, np.concatenate([h_prev, 0 * x]))
            grads["dn"] += dpast
            dx = m["Wn"][:, k:].T @ dzn
            dh_prev = dh_prev + m["Wn"][:, :k].T @ dpast
        else:
            grads["Wn"] += np.outer(dzn, np.concatenate([r * h_prev, x]))
            dq = m["Wn"].T @ dzn
            dx = dq[k:]
            dr = dq[:k] * h_prev
            dh_prev = dh_prev + dq[:k] * r
        hx = np.concatenate([h_prev, x])
        for gate, d in (("r", dr * r * (1 - r)), ("z", dz * z * (1 - z))):
            grads["W" + gate] += np.outer(d, hx)
            grads["b" + gate] += d
            grads["d" + gate] += d
            dhx = m["W" + gate].T @ d
            dh_prev, dx = dh_prev + dhx[:k], dx + dhx[k:]
        return dx, dh_prev, dC


# --- the mistakes ---------------------------------------------------------------------------------------------------

RNN = "rnn_step_back"
LSTM, GRU = "lstm_step_back", "gru_step_back"
WINDOWS = """\
        for t in reversed(range(T)):
            dh, dC = dys[t], 0 * dys[t]
            for s in range(t, max(-1, t - STEPS), -1):
                live = caches[s]["live"]
                dx, dh_prev, dC_prev = step_back(spec, model, caches[s], live * dh, live * dC, grads)
                dxs[s] = dxs[s] + dx
                dh, dC = dh_prev + (1 - live) * dh, dC_prev + (1 - live) * dC
            if t < STEPS:
                dh_next, dC_next = dh_next + dh, dC_next + dC
        return dxs, dh_next, dC_next
        for t in ():
"""
CUT = "            if t < T - 1 and (t + 1) % STEPS == 0:\n                dh_next, dC_next = 0 * dh_next, 0 * dC_next\n"

# By mistake and kind: the method, and what one finds in it and what is there instead.
PLANTED = {
    ("recurrent-path-dropped", "rnn"): ("bptt", "dh, dC = dys[t] + dh_next, dC_next", "dh, dC = dys[t], dC_next"),
    ("recurrent-weight-not-transposed", "rnn"): (
        RNN, "return dhx[len(h):], dhx[:len(h)], dC", "return dhx[len(h):], m['Wh'][:, :len(h)] @ dz, dC"),
    ("recurrent-weight-not-transposed", "lstm"): (
        LSTM, "return dhx[len(C):], dhx[:len(C)], dC_prev",
        "return dhx[len(C):], sum(m['W' + k][:, :len(C)] @ dz[k] for k in dz), dC_prev"),
    ("truncated-bptt", "rnn"): ("bptt", "        for t in reversed(range(T)):\n", WINDOWS),
    ("bptt-between-detached-stretches", "lstm"): (
        "bptt", "            live = caches[t]", CUT + "            live = caches[t]"),
    ("bptt-of-last-steps", "gru"): ("bptt", "reversed(range(T))", "reversed(range(max(0, T - STEPS), T))"),
    ("only-last-output-counts", "gru"): (
        "bptt", "dys[t] + dh_next", "(dys[t] if t == T - 1 else 0) + dh_next"),
    ("recurrent-gradients-overwritten", "rnn"): (RNN, "+=", "="),
    ("recurrent-bias-of-one-step", "lstm"): (
        LSTM, "] += dz[gate]\n", "] = dz[gate]\n"),
    ("recurrent-bias-averaged-over-steps", "rnn"): (
        "bptt", "        return dxs", "        grads['bh'] /= T\n        grads['dh'] /= T\n        return dxs"),
    ("recurrent-weight-gradient-of-last-state", "rnn"): (
        "bptt", "        for t in rev",
        "        last = caches[-1]['live'] * caches[-1]['h'] + (1 - caches[-1]['live']) * caches[-1]['h_prev']\n"
        "        caches = [{**c, 'h_prev': last} for c in caches]\n        for t in rev"),
    ("recurrent-weight-gradient-of-new-state", "lstm"): (LSTM, "c[\"h_prev\"]", "c[\"h\"]"),
    ("initial-state-gradient-zero", "gru"): ("bptt", "return dxs, dh_next", "return dxs, 0 * dh_next"),
    ("mask-forgotten-backward", "gru"): ("bptt", "live = caches[t][\"live\"]", "live = 1"),
    ("masked-delta-not-zeroed", "lstm"): (
        "bptt", "live * dh, live * dC, grads)\n            dh_next, dC_next = dh_prev + (1 - live) * dh, dC_prev",
        "dh, dC, grads)\n            dh_next, dC_next = live * dh_prev + (1 - live) * dh, live * dC_prev"),
    ("reversed-inputs-gradient-not-turned-back", "gru"): (
        "recurrent_back", "dxs[::-1] if spec[\"reverse\"] else dxs", "dxs"),
    ("reversed-outputs-gradient-not-turned", "lstm"): ("errors", "dy[::-1] if spec[\"reverse\"] else dy", "dy"),
    ("lstm-cell-error-overwritten", "lstm"): (LSTM, "dC = dC + dh * o", "dC = dh * o"),
    ("lstm-cell-path-dropped", "lstm"): (LSTM, "dC_prev = dC * f + P", "dC_prev = P"),
    ("lstm-cell-tanh-derivative-missing", "lstm"): (LSTM, "dh * o * (1 - np.tanh(C)**2)", "dh * o"),
    ("lstm-output-gate-of-cell", "lstm"): (LSTM, "do = dh * np.tanh(C)", "do = dh * C"),
    ("lstm-forget-gate-of-new-cell", "lstm"): (LSTM, "df = dC * C_prev", "df = dC * C"),
    ("lstm-output-peephole-of-old-cell", "lstm"): (LSTM, "(C if gate == \"o\" else C_prev)", "C_prev"),
    ("lstm-peepholes-not-handed-down", "lstm"): (LSTM, "P = {k: m.get(\"p\" + k, 0)", "P = {k: 0"),
    ("lstm-gates-exchanged", "lstm"): (
        LSTM, ("        for gate in dz:\n            grads[\"W", "        for gate in dz:\n            if \"p"),
        ("        own, dz = dz, {**dz, 'i': dz['f'], 'f': dz['i']} if 'i' in dz else dz\n"
         "        for gate in dz:\n            grads[\"W", "        dz = own\n        for gate in dz:\n            if \"p")),
    ("lstm-bias-of-another-gate", "lstm"): (
        LSTM, "] += dz[gate]\n", "] += dz['i' if gate == 'f' and 'i' in dz else gate]\n"),
    ("lstm-coupled-gate-by-one-path", "lstm"): (LSTM, "df = df - di", "pass"),
    ("gru-direct-path-missing", "gru"): (GRU, "dh_prev = dh * z", "dh_prev = 0"),
    ("gru-reset-gate-path-missing", "gru"): (GRU, "dr * r * (1 - r)", "0 * dr"),
    ("gru-reset-not-applied-backward", "gru"): (GRU, ("dpast = dzn * r", "dq[:k] * r"), ("dpast = dzn", "dq[:k]")),
    ("gru-update-gate-sign", "gru"): (GRU, "dh * (h_prev - n)", "dh * (n - h_prev)"),
    ("gru-candidate-without-update-gate", "gru"): (GRU, "dn = dh * (1 - z)", "dn = dh"),
    ("gru-candidate-weight-gradient-without-reset", "gru"): (
        GRU, "np.outer(dzn, np.concatenate([r * h_prev, x]))", "np.outer(dzn, np.concatenate([h_prev, x]))"),
    ("gru-recurrent-bias-outside-reset", "gru"): (GRU, "grads[\"dn\"] += dpast", "grads[\"dn\"] += dzn"),
    ("bidirectional-errors-exchanged", "bidirectional"): (
        "parallel_back", "np.split(dy, 2, axis=-1)", "np.split(dy, 2, axis=-1)[::-1]"),
}


def edited(method, right, wrong):
    """The method with another text in it."""
    text = textwrap.dedent(inspect.getsource(getattr(Net, method)))
    for old, new in zip(*((each,) if isinstance(each, str) else each for each in (right, wrong)), strict=True):
        body = textwrap.indent(text, "    ")
        assert old in body, (method, old)
        text = textwrap.dedent(body.replace(old, new))
    names = {}
    exec(text, globals(), names)
    return names[method]


@functools.cache
def made(fault, kind):
    """The class with a mistake in one method."""
    if fault is None:
        return Net
    method, right, wrong = PLANTED[fault, kind]
    new = edited(method, right, wrong)
    body = {method: new}
    if method == "recurrent_back":
        body |= dict.fromkeys(("rnn_back", "lstm_back", "gru_back"), new)
    return type("Wrong", (Net,), body)


def planted(fault=None, kind="rnn"):
    """A program with this mistake in it, or the right one, claiming networks with this kind of layer."""
    net = made(fault, kind)()

    @implementation(**claims_of(kind))
    def backprop(network, parameters, inputs, targets):
        return net(network, parameters, inputs, targets)

    return backprop
