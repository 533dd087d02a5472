"""The loss: its gradient off by a factor, of another loss, or not that of the loss reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ...reference import LOSSES, Answer, Case, Loss, infer
from ...reference.activations import (
    log_softmax,
    sigmoid,
    sigmoid_derivative,
    softmax,
    softmax_backward,
)
from ...reference.backprop import scale_of
from ...reference.losses import values
from ...reference.wiring import wired
from .. import core
from ..core import Fault, Faults, Make, Number
from ..ways import answered, at_sites, loss

Change = Callable[[Loss], Loss]
row = partial(Fault, "loss")
numbered = partial(core.numbered, "loss")


# --- a wrong row of the table of losses ---------------------------------------------------------


def wrong_losses(symptom: str, wrong: str, right: str, seen: str,
                 changes: Mapping[str, Change]) -> Fault:
    """A row: by the loss's name, the right loss -> the wrong one."""
    return row(symptom, wrong, right, seen, loss(changes))


def every(change: Change) -> dict[str, Change]:
    return dict.fromkeys(LOSSES, change)


def times(factor: Callable[[Any], float]) -> dict[str, Change]:
    """dL times factor(p), p: (batch, ..., units), in every loss; the loss itself stays right."""
    return every(lambda right: right._replace(dL=lambda p, t, **o: right.dL(p, t, **o) * factor(p)))


def only(name: str, **lines: Any) -> dict[str, Change]:
    """New lines L or dL in one loss."""
    return {name: lambda right: right._replace(**lines)}


def reported(change: Callable[[Any], Any]) -> dict[str, Change]:
    """The unreduced loss changed, in every loss; the gradient stays right."""
    return every(lambda right: right._replace(L=lambda p, t, **o: change(right.L(p, t, **o))))


def hard(p: Any, t: Any) -> Any:
    """The one-hot rows of argmax(target)."""
    return np.eye(p.shape[-1], dtype=p.dtype)[values(p, t).argmax(axis=-1)]


def of_hard(line: str) -> dict[str, Change]:
    """L or dL of the hard targets in place of the given ones, in the cross-entropies."""

    def change(right: Loss) -> Loss:
        given = getattr(right, line)
        changed: dict[str, Any] = {line: lambda p, t: given(p, hard(p, t))}
        return right._replace(**changed)

    return dict.fromkeys(("cross_entropy", "softmax_cross_entropy"), change)


# --- through the output's derivative twice ------------------------------------------------------


def of_logits(p: Any, t: Any) -> Any:
    """p - t: with respect to the logits, where the probabilities p are those of one loss."""
    return p - values(p, t)


def twice_through_softmax(z: Any, t: Any) -> Any:
    p = softmax(z)
    return softmax_backward(z, p, of_logits(p, t))


def twice_through_sigmoid(z: Any, t: Any) -> Any:
    return sigmoid_derivative(z, z) * of_logits(sigmoid(z), t)


TWICE = {**only("cross_entropy", dL=of_logits),
         **only("binary_cross_entropy", dL=of_logits),
         **only("softmax_cross_entropy", dL=twice_through_softmax),
         **only("sigmoid_cross_entropy", dL=twice_through_sigmoid)}


# --- other targets, another loss ----------------------------------------------------------------


def smoothed(smoothing: float) -> Make:
    """Of every target a share is given to all classes alike."""

    def change(right: Loss) -> Loss:
        def soft(p: Any, t: Any) -> Any:
            t = values(p, t) * np.ones_like(p)
            classes = 2 if right.per == "element" else p.shape[-1]
            return (1.0 - smoothing) * t + smoothing / classes

        return right._replace(L=lambda p, t: right.L(p, soft(p, t)),
                              dL=lambda p, t: right.dL(p, soft(p, t)))

    return loss(dict.fromkeys(LOGARITHMIC, change))


LOGARITHMIC = ("cross_entropy", "softmax_cross_entropy", "binary_cross_entropy",
               "sigmoid_cross_entropy")
Line = Callable[[Any, Any], Any]


def another(L: Line | None = None, dL: Line | None = None) -> Change:
    """Lines of another loss, per element, with targets as values: summed where the right one is."""

    def change(right: Loss) -> Loss:
        lines: dict[str, Any] = {}
        if L is not None:
            lines["L"] = lambda p, t, **o: summed(right, L(p, values(p, t)))
        if dL is not None:
            lines["dL"] = lambda p, t, **o: dL(p, values(p, t))
        return right._replace(**lines)

    return change


def summed(right: Loss, each: Any) -> Any:
    return each.sum(axis=-1) if right.per == "example" else each


def instead_of(name: str, *losses: str) -> dict[str, Change]:
    """The loss of this name, per element, and its gradient, in place of these."""
    row = LOSSES[name]
    return dict.fromkeys(losses, another(row.L, row.dL))


def categorical(of: str, lines: str) -> dict[str, Change]:
    """The term of the right class alone, in place of a binary loss, per element."""
    log_loss, gradient = CATEGORICAL[lines]
    return {of: another(log_loss, gradient)}


CATEGORICAL: dict[str, tuple[Line, Line]] = {
    "probabilities": (lambda p, t: -t * np.log(p), lambda p, t: -t / p),
    "logits": (lambda z, t: -t * log_softmax(z), lambda z, t: (
        softmax(z) * t.sum(axis=-1, keepdims=True) - t)),
}


def exchanged(epsilon: float) -> Make:
    """-p log(t + epsilon) - (1 - p) log(1 - t + epsilon), and its gradient."""
    def logarithms(t: Any) -> tuple[Any, Any]:
        return np.log(t + epsilon), np.log(1.0 - t + epsilon)

    def line(p: Any, t: Any) -> Any:
        one, other = logarithms(t)
        return -(p * one + (1.0 - p) * other)

    def gradient(p: Any, t: Any) -> Any:
        one, other = logarithms(t)
        return (other - one) + 0.0 * p

    return loss(only("binary_cross_entropy", L=line, dL=gradient))


def of_half_the_sum(case: Case, answer: Answer) -> Answer:
    """The gradient of half the sum over all examples, whatever the reduction and the scale are."""
    k = 0.5 / scale_of(case, (case.batch, *infer(case.network).output))
    return Answer(answer.loss, {name: g * g.dtype.type(k) for name, g in answer.gradients.items()})


def times_rate(rate: float) -> Make:
    return loss(times(lambda p: rate))


# --- penalties ----------------------------------------------------------------------------------

def decay(engine: Callable[[float], Make]) -> Number:
    """The number of a mistake about weight decay."""
    return Number("decay", 0.01, engine, 1e-6, 1.0)


def decaying_weights(factor: float) -> Make:
    return at_sites(dW=lambda s, dW: dW + factor * s.W)


def decaying_biases(factor: float) -> Make:
    return at_sites(db=lambda s, db: db if s.b is None else db + factor * s.b)


def squares(case: Case) -> Any:
    """The sum of the squares of all weights."""
    names = dict.fromkeys(place.weight for place in wired(case.network).places)
    return sum((case.parameters[name] ** 2).sum() for name in names)


def penalised(factor: float) -> Make:
    """Half of the factor times the sum of the squares of all weights, in the loss alone."""
    return answered(lambda case, answer: Answer(answer.loss + factor / 2 * squares(case),
                                                answer.gradients))


APART = "programs whose loss and gradient were written apart: nn-from-scratch#13"
OTHERS_LOSS = "programs that compute another loss than their name says"
SCRATCH = "nn-from-scratch#13, fromscratchtoml#65"
LIBRARIES = "hipsternet, andersbll/nnet"

FAULTS: Faults = {
    "gradient-half": wrong_losses(
        "every gradient is half of that of the loss, because the 2 of the squared error's "
        "derivative is lost",
        "dp = p - t", "dp = 2 * (p - t)", SCRATCH, times(lambda p: 0.5)),
    "gradient-doubled": wrong_losses(
        "every gradient is twice that of the loss, because the loss has a factor 1/2 that the "
        "gradient has not",
        "loss = ((p - t)**2).sum() / 2; dp = 2 * (p - t)",
        "loss = ((p - t)**2).sum() / 2; dp = p - t", SCRATCH, times(lambda p: 2.0)),
    "gradient-never-computed": wrong_losses(
        "every gradient is exactly zero: the way back is not written yet, is not called, or is cut "
        "off from the loss",
        "dp = 0 * (p - t)", "dp = 2 * (p - t)",
        "stubs that return zeros; `loss.detach()` before backward", times(lambda p: 0.0)),
    "gradient-divided-by-batch": wrong_losses(
        "every gradient is 1/N of that of the loss, N the batch size: it is averaged once too "
        "often",
        "dp = dL(p, t) / len(p)", "dp = dL(p, t)", APART, times(lambda p: 1.0 / p.shape[0])),
    "gradient-times-batch": wrong_losses(
        "every gradient is N times that of the loss, N the batch size: the loss is a mean over the "
        "examples and the gradient a sum",
        "loss = L(p, t).sum() / len(p); dp = dL(p, t)",
        "loss = L(p, t).sum() / len(p); dp = dL(p, t) / len(p)",
        APART, times(lambda p: p.shape[0])),
    "gradient-times-outputs": wrong_losses(
        "every gradient is too large by the number of outputs: the loss averages over them, and "
        "the gradient does not",
        "loss = ((p - t)**2).mean(); dp = 2 * (p - t) / len(p)",
        "loss = ((p - t)**2).mean(); dp = 2 * (p - t) / p.size",
        "scikit-learn#8349, open since 2017", times(lambda p: p.shape[-1])),
    "gradient-divided-by-outputs": wrong_losses(
        "every gradient is too small by the number of outputs: the gradient averages over them, "
        "and the loss does not",
        "dp = dL(p, t) / p.shape[1]", "dp = dL(p, t)",
        "programs whose loss and gradient were written apart: fromscratchtoml#65",
        times(lambda p: 1.0 / p.shape[-1])),
    "gradient-times-batch-and-outputs": wrong_losses(
        "every gradient is too large by the batch size times the number of outputs: the loss is a "
        "mean over all its elements, and the gradient that of their sum",
        "loss = ((p - t)**2).mean(); dp = 2 * (p - t)",
        "loss = ((p - t)**2).mean(); dp = 2 * (p - t) / p.size", APART,
        times(lambda p: p.shape[0] * p.shape[-1])),
    "gradient-divided-by-batch-and-outputs": wrong_losses(
        "every gradient is too small by the batch size times the number of outputs: it is averaged "
        "over all elements, and the loss is a sum",
        "dp = dL(p, t) / p.size", "dp = dL(p, t)", APART,
        times(lambda p: 1.0 / (p.shape[0] * p.shape[-1]))),
    "gradient-of-half-the-sum": row(
        "every gradient is exactly that of half the sum over all examples, and the loss reported "
        "is another reduction of it, such as a mean",
        "loss = ((p - t)**2).mean(); dp = p - t",
        "loss = ((p - t)**2).sum() / 2; dp = p - t  # or dp = 2 * (p - t) / p.size with the mean",
        "programs that print a mean and train on half the sum", answered(of_half_the_sum)),
    "gradient-negated": wrong_losses(
        "every gradient has the wrong sign: target - output was written where the loss wants "
        "output - target",
        "dp = t - p", "dp = p - t",
        "programs after the older `error = target - output; w += rate * dw` that forgot its sign",
        times(lambda p: -1.0)),
    "cross-entropy-through-argmax": wrong_losses(
        "the gradient takes argmax(target) for the class and so ignores soft labels, while the "
        "loss uses them",
        "dz = p - np.eye(classes)[t.argmax(axis=1)]", "dz = p - t", "popular textbook code",
        of_hard("dL")),
    "loss-through-argmax": wrong_losses(
        "the loss takes argmax(target) for the class, while the gradient uses the target: the two "
        "differ for soft labels",
        "loss = -np.log(p[range(len(p)), t.argmax(axis=1)]).sum()", "loss = -(t * np.log(p)).sum()",
        "popular textbook code", of_hard("L")),
    "binary-loss-with-categorical-gradient": wrong_losses(
        "the loss is the binary cross-entropy of sigmoids, while the gradient is that of a softmax",
        "dz = softmax(z) - t", "dz = sigmoid(z) - t", "the code of two textbooks",
        only("sigmoid_cross_entropy", dL=lambda z, t: softmax(z) - t)),
    "binary-gradient-first-term-only": wrong_losses(
        "the second half of the binary cross-entropy is missing in the gradient, so that targets "
        "of 0 teach nothing",
        "dp = -t / p", "dp = -t / p + (1 - t) / (1 - p)",
        "the code of two textbooks, which pair a binary loss with a categorical gradient",
        only("binary_cross_entropy", dL=lambda p, t: -t / p)),
    "output-derivative-twice": wrong_losses(
        "p - t is the gradient of the logits already, and goes through the derivative of the "
        "output once more, so that confident mistakes teach next to nothing",
        "dz = (p - t) * p * (1 - p)", "dz = p - t", "npnet, nn-without-frameworks, minitorch",
        TWICE),
    "label-smoothing": numbered(
        "the targets are smoothed on the way, so that loss and gradient are those of softer labels",
        "t = (1 - smoothing) * t + smoothing / classes", "t stays as it is",
        "Keras's and PyTorch's label_smoothing, switched on unseen",
        Number("smoothing", 0.1, smoothed, 1e-4, 0.9)),
    "squared-error-for-absolute": wrong_losses(
        "the loss is another one: the squared error where the absolute one is declared, with its "
        "gradient",
        "loss = ((p - t)**2).sum(); dp = 2 * (p - t)", "loss = abs(p - t).sum(); dp = sign(p - t)",
        OTHERS_LOSS, instead_of("squared_error", "absolute_error")),
    "absolute-error-for-squared": wrong_losses(
        "the loss is another one: the absolute error where the squared one is declared, with its "
        "gradient",
        "loss = abs(p - t).sum(); dp = np.sign(p - t)",
        "loss = ((p - t)**2).sum(); dp = 2 * (p - t)",
        OTHERS_LOSS, instead_of("absolute_error", "squared_error")),
    "squared-error-for-cross-entropy": wrong_losses(
        "the loss is another one: the squared error of the probabilities where a cross-entropy is "
        "declared, with its gradient",
        "loss = ((p - t)**2).sum(); dp = 2 * (p - t)", "loss = -(t * np.log(p)).sum(); dp = -t / p",
        OTHERS_LOSS, instead_of("squared_error", "cross_entropy", "binary_cross_entropy")),
    "binary-for-categorical": wrong_losses(
        "the loss is another one: a binary cross-entropy of every class where the categorical one "
        "is declared, with its gradient",
        "loss = -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()", "loss = -(t * np.log(p)).sum()",
        OTHERS_LOSS, {**instead_of("binary_cross_entropy", "cross_entropy"),
                      **instead_of("sigmoid_cross_entropy", "softmax_cross_entropy")}),
    "categorical-for-binary": wrong_losses(
        "the loss is another one: the categorical cross-entropy, the term of the right class "
        "alone, where the binary one is declared, with its gradient",
        "loss = -(t * np.log(p)).sum()", "loss = -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()",
        OTHERS_LOSS, {**categorical("binary_cross_entropy", "probabilities"),
                      **categorical("sigmoid_cross_entropy", "logits")}),
    "outputs-and-targets-exchanged": numbered(
        "the loss is another one: outputs and targets are exchanged in the binary cross-entropy, "
        "and the gradient is its own",
        "loss = -(p * np.log(t + epsilon) + (1 - p) * np.log(1 - t + epsilon)).sum()",
        "loss = -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()", "neograd",
        Number("epsilon", 1e-9, exchanged, 1e-16, 1e-1)),
    "loss-reported-is-squared-error": wrong_losses(
        "the loss reported is the squared error, while the gradient is that of the declared loss",
        "loss = ((p - t)**2).sum(); dz = p - t", "loss = -(t * np.log(p)).sum(); dz = p - t",
        "programs that print the mean squared error whatever they train on",
        {name: another(LOSSES["squared_error"].L) for name in LOSSES if name != "squared_error"}),
    "loss-reported-is-absolute-error": wrong_losses(
        "the loss reported is the absolute error, while the gradient is that of the declared loss",
        "loss = abs(p - t).sum(); dp = 2 * (p - t)", "loss = ((p - t)**2).sum(); dp = 2 * (p - t)",
        "programs that print np.abs(error).mean() whatever they train on",
        {name: another(LOSSES["absolute_error"].L) for name in LOSSES if name != "absolute_error"}),
    "loss-without-last-example": wrong_losses(
        "the loss leaves out the last example, and the gradient is right",
        "loss = sum(L(p[i], t[i]) for i in range(N - 1))",
        "loss = sum(L(p[i], t[i]) for i in range(N))",
        "programs whose loss and gradient were written apart", reported(lambda each: each[:-1])),
    "loss-halved": wrong_losses(
        "the loss reported is half of the one the gradient belongs to",
        "loss = ((p - t)**2).sum() / 2; dp = 2 * (p - t)",
        "loss = ((p - t)**2).sum(); dp = 2 * (p - t)", SCRATCH, reported(lambda each: 0.5 * each)),
    "decay-in-gradient-only": numbered(
        "weight decay is added to the gradients of the weights, and is not in the loss",
        "dW = x.T @ delta + decay * W", "dW = x.T @ delta", LIBRARIES,
        decay(decaying_weights)),
    "decay-on-biases-too": numbered(
        "decay is added to the gradients of the biases, and is not in the loss",
        "db = delta.sum(axis=0) + decay * b", "db = delta.sum(axis=0)",
        f"{LIBRARIES}, which let the biases decay", decay(decaying_biases)),
    "penalty-in-loss-only": numbered(
        "the loss has an L2 penalty that the gradient knows nothing of",
        "loss = L(p, t) + decay / 2 * (W**2).sum(); dW = x.T @ delta",
        "loss = L(p, t); dW = x.T @ delta  # or dW += decay * W with the penalty", LIBRARIES,
        decay(penalised)),
    "gradient-times-factor": numbered(
        "every gradient is a constant times what it should be, such as a step in place of the "
        "gradient",
        "return factor * dW", "return dW",
        "updates that are returned in place of gradients",
        Number("factor", 0.1, times_rate, 1e-6, 1e6, signed=True)),
}
