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


def catalogue() -> dict[str, Check]:
    """Every check by name, in the order in which they are shown."""
    oracles = {name: Check("value", name.replace("_", " "), row.family, row.claims)
               for name, row in ORACLES.items()}
    identities = {name: Check("state" if row.family == "state" else "identity", row.family,
                              row.family, row.says)
                  for name, row in PROPERTIES.items()}
    return {**VALUES, **oracles, **identities}


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
