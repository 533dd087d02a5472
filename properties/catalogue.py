"""Every check there is, in one table: the contract, the values, the oracles, the identities.

A run loops over it, and so does whatever shows a run. A new row of ORACLES or of a file in
identities/ is in it without a change here.
"""

from __future__ import annotations

from typing import NamedTuple

from ..oracles import ORACLES
from .identities import PROPERTIES


class Check(NamedTuple):
    """One check. `family`: one mistake usually breaks one family first, and families have an order.

    `column`: where it stands in the conformance matrix. `code`: whose code it is; two judges of
    one code count as one. `says`: what holds where it passes.
    """

    family: str
    column: str
    code: str
    says: str


VALUES = {
    "contract": Check("contract", "contract", "contract",
                      "every gradient is there, of the right shape and dtype"),
    "untouched_arguments": Check("contract", "contract", "contract",
                                 "the arrays handed over come back as they were"),
    "answers": Check("answers", "contract", "contract",
                     "every question inside the claims is answered"),
    "reference": Check("value", "reference", "reference",
                       "every gradient equals the reference's, within the computed tolerance"),
    "loss_value": Check("loss", "reference", "reference", "the loss reported is the declared one"),
    "own_loss": Check("own_loss", "own loss", "own loss",
                      "the gradient is that of the loss reported: differences along three "
                      "directions"),
    "line_integral": Check("own_loss", "own loss", "own loss",
                           "the gradient integrated along a line is the difference of the loss"),
    "another_rate": Check("rate", "training step", "training step",
                          "the gradient that a training step was made with does not depend on its "
                          "rate: nothing is updated before it is used"),
    "update_rule": Check("update", "training step", "training step",
                         "several training steps lead where the update rule leads, with the true "
                         "gradients"),
    "exact_integers": Check("value", "exact integers", "reference",
                            "integer networks come out exact, to the last bit"),
    "slope_at_kinks": Check("kink", "exact integers", "reference",
                            "the slope at a kink lies between those on its two sides, "
                            "and is one for all layers"),
}

# The checks of a program, a subject that no network describes, in the order in which they are
# shown. Who makes them is in `backproof.programs`.
PROGRAM = {
    "answers": Check("answers", "contract", "contract",
                     "every trial inside the claims is answered"),
    "contract": Check("contract", "contract", "contract",
                      "outputs and gradients are there, of the right shape and dtype"),
    "plain": Check("value", "plain form", "plain form",
                   "outputs and gradients are those of the plain form in float64, within the "
                   "tolerance that is computed from it"),
    "untouched": Check("contract", "memory", "memory",
                       "what is handed over is not written to, nor what lies beside it"),
    "repeated": Check("state", "memory", "memory", "the same call gives the same bits"),
    "twice": Check("state", "memory", "memory",
                   "a second backward over the same forward gives the same, or a clear refusal"),
    "poisoned": Check("state", "memory", "memory", "memory is written before it is read"),
    "subsets": Check("identity", "subsets", "subsets",
                     "which gradients are asked for changes none of them"),
    "layouts": Check("identity", "layouts", "layouts",
                     "how tensors lie in memory changes no number"),
    "linear": Check("identity", "linearity", "linearity",
                    "the gradient is linear in the cotangent"),
    "batch": Check("identity", "batch", "batch",
                   "rows that are independent do not touch each other"),
    "finite": Check("value", "finite", "finite", "finite outputs have finite gradients"),
    "line_integral": Check("own_loss", "own loss", "own loss",
                           "the gradient integrated along a line is the difference of the loss"),
    "double_backward": Check("value", "double backward", "double backward",
                             "a gradient's gradient is right, or refused"),
}


def catalogue() -> dict[str, Check]:
    """Every check by name, in the order in which they are shown."""
    oracles = {name: Check("value", name.replace("_", " "), row.family, row.claims)
               for name, row in ORACLES.items()}
    identities = {name: Check("state" if row.family == "state" else "identity", row.family,
                              row.family, row.says)
                  for name, row in PROPERTIES.items()}
    return {**VALUES, **oracles, **identities}


def check_of(name: str) -> Check | None:
    """The check of a network or of a program; None for a name that is in neither table."""
    return catalogue().get(name) or PROGRAM.get(name)


def family(name: str) -> str:
    """The family of a check; "value" for a name that is not in the table."""
    found = catalogue().get(name)
    return found.family if found is not None else "value"


def state_probes() -> list[str]:
    """The identities that ask whether an answer depends on the questions before."""
    return [name for name, row in PROPERTIES.items() if row.family == "state"]


def codes() -> dict[str, tuple[str, ...]]:
    """The checks by the code they share, in the order of the table."""
    found: dict[str, list[str]] = {}
    for name, check in catalogue().items():
        found.setdefault(check.code, []).append(name)
    return {code: tuple(names) for code, names in found.items()}
