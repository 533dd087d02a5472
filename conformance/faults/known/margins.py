"""Losses with a threshold, divergences and smoothed labels: one side or one number left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...reference import Answer, Case, Engine, LossSpec, Tables, evaluate
from ...reference.backprop import unwarned
from ...reference.losses import kl_divergence
from ..core import Fault, Faults, Make
from ..ways import loss

row = partial(Fault, "loss")


def gradient(symptom: str, wrong: str, right: str, seen: str,
             **lines: Callable[..., Any]) -> Fault:
    """A row: another dL in these losses."""
    return row(symptom, wrong, right, seen, loss({
        name: partial(with_dL, line=line) for name, line in lines.items()}))


def with_dL(right: Any, line: Callable[..., Any]) -> Any:  # noqa: N802 - the letters of the table
    return right._replace(dL=line)


def of_spec(change: Callable[[LossSpec], LossSpec], loss_too: bool, gradient_too: bool) -> Make:
    """Another loss for the loss reported, for the gradients, or for both."""
    def make(tables: Tables) -> Engine:
        @unwarned
        def engine(case: Case) -> Answer:
            spec = change(case.network.loss)
            wrong = evaluate(case.but(network=replace(case.network, loss=spec)), tables)
            right = evaluate(case, tables)
            return Answer((wrong if loss_too else right).loss,
                          (wrong if gradient_too else right).gradients)

        return engine

    return make


def sharp(spec: LossSpec) -> LossSpec:
    return replace(spec, smoothing=0.0)


def signed(p: Any, t: Any, delta: float) -> Any:
    """p - t, cut where it is above delta, and not where it is below -delta."""
    return np.where(p - t > delta, delta + 0.0 * p, p - t)


def sign_only(p: Any, t: Any, delta: float) -> Any:
    return np.where(p - t > delta, np.ones_like(p), np.where(p - t < -delta, -np.ones_like(p),
                                                             p - t))


def by_target(p: Any, t: Any) -> Any:
    """log(t / p) + 1 where t is not 0."""
    ones = np.ones_like(p)
    return np.where(t > 0, np.log(np.where(t > 0, t, ones)) - np.log(p) + 1.0, 0.0 * p)


HUBER = "dp = np.clip(p - t, -delta, delta)"
HINGE = "dp = np.where(t * p < 1, -t, 0)"
SCRATCH = "losses written from scratch"
HALF = "programs that smooth the labels in one of two places"

FAULTS: Faults = {
    "huber-threshold-on-signed-difference": gradient(
        "the gradient of the Huber loss is cut at delta for differences above zero only",
        "dp = np.where(p - t < delta, p - t, delta)", HUBER, "attorch#13: smooth L1",
        huber=signed),
    "huber-delta-left-out": gradient(
        "delta is left out where the Huber loss is a line, and its gradient is 1 or -1 there",
        "dp = np.where(abs(p - t) < delta, p - t, np.sign(p - t))", HUBER,
        f"{SCRATCH}: smooth L1's gradient for the Huber loss", huber=sign_only),
    "huber-not-cut": gradient(
        "the gradient of the Huber loss is never cut: it is that of half the squared error",
        "dp = p - t", HUBER, SCRATCH, huber=lambda p, t, delta: p - t),
    "hinge-sign": gradient(
        "the gradient of the hinge loss has the wrong sign",
        "dp = np.where(t * p < 1, t, 0)", HINGE, SCRATCH,
        hinge=lambda p, t: np.where(t * p < 1.0, t, 0.0 * p),
        squared_hinge=lambda p, t: np.where(t * p < 1.0, 2.0 * t * (1.0 - t * p), 0.0 * p)),
    "hinge-margin-without-target": gradient(
        "the margin of the hinge loss is not multiplied by the target on the way back, so that it "
        "is right for targets of 1 only",
        "dp = np.where(p < 1, -t, 0)", HINGE, SCRATCH,
        hinge=lambda p, t: np.where(p < 1.0, -t, 0.0 * p),
        squared_hinge=lambda p, t: np.where(p < 1.0, -2.0 * t * (1.0 - p), 0.0 * p)),
    "hinge-margin-left-out": gradient(
        "the hinge loss hands an error down for examples beyond the margin too",
        "dp = -t", HINGE, SCRATCH, hinge=lambda p, t: -t + 0.0 * p,
        squared_hinge=lambda p, t: -2.0 * t * (1.0 - t * p)),
    "hinge-target-left-out": gradient(
        "the gradient of the hinge loss is -1 inside the margin, whatever the target",
        "dp = np.where(t * p < 1, -1, 0)", HINGE, SCRATCH,
        hinge=lambda p, t: np.where(t * p < 1.0, -np.ones_like(p), 0.0 * p),
        squared_hinge=lambda p, t: np.where(t * p < 1.0, -2.0 * (1.0 - t * p), 0.0 * p)),
    "divergence-by-the-target": gradient(
        "the Kullback-Leibler divergence is differentiated by the target in place of the output",
        "dp = np.log(t / p) + 1", "dp = -t / p", SCRATCH, kl_divergence=by_target),
    "divergence-without-quotient": gradient(
        "the gradient of the Kullback-Leibler divergence is that of logarithms, where "
        "probabilities are given",
        "dp = -t", "dp = -t / p", "programs that mix p with log p, as nn.KLDivLoss wants it",
        kl_divergence=lambda p, t: -t + 0.0 * p),
    "divergence-with-quotient": gradient(
        "the gradient of the Kullback-Leibler divergence is that of probabilities, where "
        "logarithms are given",
        "dp = -t / p", "dp = -t  # p: logarithms of probabilities",
        "programs that mix p with log p, as nn.KLDivLoss wants it",
        kl_divergence_of_logs=lambda p, t: -t / np.exp(p)),
    "divergence-of-the-other-side": row(
        "the loss is another one: outputs and targets are exchanged in the Kullback-Leibler "
        "divergence, and the gradient is its own",
        "loss = (p * np.log(p / t)).sum()", "loss = (t * np.log(t / p)).sum()", SCRATCH,
        loss({"kl_divergence": lambda right: right._replace(
            L=lambda p, t: kl_divergence(t, p),
            dL=lambda p, t: np.log(p) - np.log(t + 0.0 * p) + 1.0)})),
    "smoothing-left-out-of-gradient": row(
        "the labels are smoothed in the loss, and not in its gradient",
        "dz = softmax(z) - t", "dz = softmax(z) - ((1 - e) * t + e / K)", HALF,
        of_spec(sharp, False, True)),
    "smoothing-left-out-of-loss": row(
        "the labels are smoothed in the gradient, and not in the loss",
        "loss = -(t * np.log(p)).sum()", "loss = -(((1 - e) * t + e / K) * np.log(p)).sum()", HALF,
        of_spec(sharp, True, False)),
}
