"""Updates between the examples of a batch: later examples see weights that earlier ones changed."""

from __future__ import annotations

from ...properties.identities import rows
from ...reference import Answer, Case, Engine, Tables, evaluate
from ...reference.backprop import unwarned
from ..core import Faults, Make, Number, numbered


def one_by_one(rate: float) -> Make:
    """What the parameters have moved by after one step for each example, over the rate."""

    def make(tables: Tables) -> Engine:
        def engine(case: Case) -> Answer:
            whole = evaluate(case, tables)
            if any(tables.layers[spec.kind].mixes for _, spec in case.network.walk()):
                return whole  # a batch of one is another network
            now = case
            for example in range(case.batch):
                g = evaluate(rows(now, slice(example, example + 1)), tables).gradients
                now = now.but(parameters={name: p - rate * g[name]
                                          for name, p in now.parameters.items()})
            moved = {name: (p - now.parameters[name]) / rate
                     for name, p in case.parameters.items()}
            return Answer(whole.loss, {**whole.gradients, **moved})

        return unwarned(engine)

    return make


FAULTS: Faults = {
    "weights-updated-between-examples": numbered(
        "update",
        "a batch of one is right, and a larger one is off by an amount that grows with the "
        "learning rate: each example is trained on at once",
        "for x, t in batch: W -= rate * gradient(W, x, t)",
        "dW = sum(gradient(W, x, t) for x, t in batch); W -= rate * dW",
        "per-example descent that is given a batch",
        Number("rate", 0.5, one_by_one, 1e-5, 100.0)),
}
