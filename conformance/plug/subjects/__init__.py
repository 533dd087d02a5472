"""The ready-made subjects: a row is the module that makes one, what it needs, and a sentence.

Importing this imports no library; `load` imports the one module asked for.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..subject import Subject


class Row(NamedTuple):
    """A ready-made subject: `module`.`make`() is the Subject.

    `needs`: the packages to be there; `extra`: the extra that brings them.
    """

    module: str
    needs: tuple[str, ...]
    extra: str
    sentence: str
    make: str = "subject"

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]


SUBJECTS: dict[str, Row] = {
    "reference": Row("reference", (), "", "the reference itself, under all it can do"),
    "scikit-learn-classifier": Row(
        "scikit_learn", ("sklearn",), "subjects", "MLPClassifier's _backprop", "classifier"),
    "scikit-learn-regressor": Row(
        "scikit_learn", ("sklearn",), "subjects", "MLPRegressor's _backprop", "regressor"),
    "hips-autograd": Row(
        "hips_autograd", ("autograd", "scipy"), "subjects", "value_and_grad of HIPS autograd"),
    "micrograd": Row(
        "micrograd_values", ("micrograd",), "subjects", "Karpathy's micrograd, number by number"),
    "torch": Row("torch_modules", ("torch",), "torch", "PyTorch modules and loss.backward()"),
    "equinox": Row("equinox_modules", ("jax", "equinox"), "subjects",
                   "Equinox modules and jax.grad"),
    "keras": Row("keras_layers", ("torch", "keras"), "subjects",
                 "Keras 3 layers, with PyTorch as the backend"),
    "numpy-ml": Row("numpy_ml_layers", ("numpy_ml",), "subjects",
                    "numpy-ml's layers and their backward passes"),
}


def load(name: str) -> Subject:
    """The subject of that name.

    Raises DescriptionError for a name that is not there, or a package that is not installed.
    """
    from ...reference.checks import DescriptionError, one_of

    row = SUBJECTS[one_of("subject", name, SUBJECTS)]
    if row.missing:
        raise DescriptionError(f"subject {name}: needs {', '.join(row.missing)}: "
                               f"pip install 'backproof[{row.extra}]'")
    subject: Subject = getattr(import_module(f".{row.module}", __name__), row.make)()
    return replace(subject, door="ready-made", needs=row.needs)
