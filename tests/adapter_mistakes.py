"""The adapters of `backproof new --door command`, built where their toolchain is, and mistakes planted in them.

A row of MISTAKES is one mistake in three languages: a replacement of text in the backward lines of the C and of the
JavaScript adapter, and in those of a Python function that is plugged in through the function door.
"""

import os
import shlex
import shutil
import subprocess
from typing import NamedTuple

import numpy as np
import pytest
from backproof.plug.protocol.command import command
from backproof.plug.subject import subject_of
from backproof.reference import evaluate
from backproof.running.adapters import new_file
from backproof.running.languages import LANGUAGES
from wrong_engines import replies

PYTHON = '''
import numpy as np

F = {"tanh": np.tanh, "relu": lambda x: np.maximum(0, x), "sigmoid": lambda x: 1 / (1 + np.exp(-x))}
SLOPE = {"tanh": lambda y: 1 - y * y, "relu": lambda y: 1.0 * (y > 0), "sigmoid": lambda y: y * (1 - y)}

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

kept = {}

def again(key, new):
    kept[key, new.shape] = kept.get((key, new.shape), 0) + new
    return kept[key, new.shape].copy()

def backprop(network, parameters, x, t):
    W, b = network.unpack(parameters)
    a = [x]
    for i, w in enumerate(W):
        z = a[-1] @ w + (0 if b[i] is None else b[i])
        a.append(F[network.hidden[i]](z) if i + 1 < len(W) else z)
    scale = network.loss.scale / (1 if network.loss.reduction == "sum" else len(x))
    if network.loss.kind == "cross_entropy":
        p = softmax(a[-1])
        loss, delta = scale * -np.log(p[t > 0]).sum(), scale * (p - t)
    else:
        loss, delta = scale * ((a[-1] - t)**2).sum(), scale * 2 * (a[-1] - t)
    dW, db = [None] * len(W), [None] * len(W)
    for i in reversed(range(len(W))):
        dW[i] = a[i].T @ delta
        db[i] = delta.sum(axis=0)
        back = W[i].T
        delta = delta @ back
        if i:
            delta = delta * SLOPE[network.hidden[i - 1]](a[i])
    return loss, network.pack(dW, [None if c is None else g for c, g in zip(b, db)])
'''
AGAIN_IN_C = '''static double *again(int i, int n) {
  static double *v[999]; static int size[999];
  if (size[i] != n) v[i] = calloc(n, sizeof(double)), size[i] = n;
  return v[i];
}
static void answer(FILE'''
# name: {language: (what stands there, what is written instead), ...}
MISTAKES = {
    "bias averaged": {
        "c": [("l->db[j] += d;", "l->db[j] += d / batch;")],
        "javascript": [("over((n) => delta[n][j]));", "over((n) => delta[n][j]) / h.length);")],
        "python": [("delta.sum(axis=0)", "delta.mean(axis=0)")]},
    "delta not times f'": {
        "c": [(" * SLOPE(l->f, y)", "")],
        "javascript": [("d * FUNCTIONS[f][1](y[n][j])", "d")],
        "python": [(" * SLOPE[network.hidden[i - 1]](a[i])", "")]},
    "weights not transposed where square": {
        "c": [("l->dx[n * l->in + k] += l->W[k * l->out + j]",
               "l->dx[n * l->in + k] += l->W[l->in == l->out ? j * l->out + k : k * l->out + j]")],
        "javascript": [("W.map((w) => w.map((v, j) => v *",
                        "W.map((w, k) => w.map((v, j) => (W.length === w.length ? W[j][k] : v) *")],
        "python": [("back = W[i].T", "back = W[i] if W[i].shape[0] == W[i].shape[1] else W[i].T")]},
    "bias of the last example": {
        "c": [("l->db[j] += d;", "l->db[j] = d;")],
        "javascript": [("over((n) => delta[n][j]));", "delta[h.length - 1][j]);")],
        "python": [("delta.sum(axis=0)", "delta[-1]")]},
    "factor 2 missing": {
        "c": [("scale * 2 * (p", "scale * (p")],
        "javascript": [("scale * (crossed ? 1 : 2) *", "scale *")],
        "python": [("scale * 2 *", "scale *")]},
    "relu passed on everywhere": {
        "c": [("f == 'r' ? y > 0 : 1.0", "1.0")],
        "javascript": [("(y > 0 ? 1 : 0)", "1")],
        "python": [("1.0 * (y > 0)", "1.0")]},
    "tanh not squared": {
        "c": [("1 - y * y", "1 - y")],
        "javascript": [("1 - y * y", "1 - y")],
        "python": [("1 - y * y", "1 - y")]},
    "accumulated across questions": {
        "c": [("static void answer(FILE", AGAIN_IN_C),
              ("end->dW = zeros(end->in * end->out)", "end->dW = again(2 * i, end->in * end->out)"),
              ("end->db = zeros(end->out)", "end->db = again(2 * i + 1, end->out)")],
        "javascript": [("function answer(", "const kept = {};\nconst again = (key, v) => (kept[key] = kept[key]\n"
                        "  ? v.map((w, k) => (Array.isArray(w) ? w.map((u, j) => u + kept[key][k][j]) : w + kept[key][k]))"
                        " : v);\nfunction answer("),
                       ("dW[i] = W.map((row, k) => row.map((_, j) => over((n) => h[n][k] * delta[n][j])));",
                        "dW[i] = again([i, W.length, W[0].length], "
                        "W.map((row, k) => row.map((_, j) => over((n) => h[n][k] * delta[n][j]))));"),
                       ("db[i] = W[0].map((_, j) => over((n) => delta[n][j]));",
                        "db[i] = again([i, W[0].length], W[0].map((_, j) => over((n) => delta[n][j])));")],
        "python": [("a[i].T @ delta", "again(2 * i, a[i].T @ delta)"),
                   ("delta.sum(axis=0)", "again(2 * i + 1, delta.sum(axis=0))")]},
}


class Planted(NamedTuple):
    """The text of a program with replacements made in it."""

    text: str
    changes: list

    def __str__(self):
        text = self.text
        for old, new in self.changes:
            assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
            text = text.replace(old, new)
        return text


def needed(language):
    """The program without which the language is not there."""
    row = LANGUAGES[language]
    return shlex.split(row.build or row.run)[0]


def lacking(language):
    """Why the language's adapter cannot be run here, "" where it can."""
    if os.name == "nt":
        return "the lines that build and run it are those of a POSIX shell"
    if shutil.which(needed(language)) is None:
        return f"no {needed(language)}"
    if language == "tcl":
        asked = "puts [package vcompare [info tclversion] 8.6]"
        said = subprocess.run(["tclsh"], input=asked, capture_output=True, text=True).stdout
        return "" if said.strip() in ("0", "1") else "tclsh is older than 8.6"
    says = [needed(language), "-v" if language == "perl" else "--version"]
    return "" if subprocess.run(says, capture_output=True).returncode == 0 else f"{says[0]} is there, but does not run"


def built(language, folder, changes=()):
    """The command line of the language's adapter in the folder, built; skips where its toolchain is not there."""
    if missing := lacking(language):
        pytest.skip(missing)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"my_net{LANGUAGES[language].ending}"
    new_file(str(file), language=language)
    if changes:
        file.write_text(str(Planted(file.read_text(), list(changes))))
    build, run = LANGUAGES[language].commands(str(file))
    if build:
        subprocess.run(shlex.split(build), check=True, capture_output=True)
    return run


def started(language, folder, changes=()):
    """The Subject of the language's adapter."""
    return command(built(language, folder, changes))


def function(claims, changes=()):
    """The same network as a Python function, through the function door, with these claims."""
    space = {}
    exec(str(Planted(PYTHON, list(changes))), space)
    found = subject_of(space["backprop"], "mine")
    return found.__class__(**{**vars(found), "claims": claims})


def named(report):
    """The mistakes that the findings are consistent with first, "" where one is only described."""
    return sorted((*finding.faults, "")[0] for finding in report.findings)


def agrees(subject, asked):
    """The parameters that are wrong in the answers to `valid` cases, by their tolerances."""
    wrong = []
    for (case, _), reply in zip(asked, replies(subject.engine, asked), strict=True):
        truth = evaluate(case).gradients
        wrong += [name for name in case.parameters
                  if np.any(np.abs(reply.gradients[name].value - truth[name]) > reply.gradients[name].tolerance)]
    return wrong
