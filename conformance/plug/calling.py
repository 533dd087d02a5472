"""What the parameters of somebody's constructor or method mean, by the names people give them.

A constructor or a method that trains is called with what its signature asks for: the table says
which names mean the inputs, the rate, the sizes of the layers. What it asks beyond that is an
error that says what was found and what to write.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .contract import AdapterError

SIZES, IN, HIDDEN, OUT, RATE = "sizes", "in", "hidden", "out", "rate"
INPUTS, TARGETS, PAIRS, COUNT, ONCE, SEED, SILENT = (
    "inputs", "targets", "pairs", "examples", "once", "seed", "silent")

# Names in small letters, without underscores.
SAID_BY_BOTH: dict[str, str] = {
    RATE: "lr rate learningrate eta alpha learningrateinit stepsize epsilon learnrate",
    ONCE: "epochs epoch niter iterations niterations numiterations nepochs numepochs maxiter iters "
          "niters steps maxepochs nbepochs numiters itr",
    COUNT: "batchsize minibatchsize",
    SEED: "seed randomstate randomseed",
    SILENT: "verbose printloss printcost plot debug display",
}
CONSTRUCTOR = SAID_BY_BOTH | {
    SIZES: "sizes layers layersizes layerdims dims structure architecture topology shape neurons "
           "units layersdims dimensions layersize sizeoflayers layout",
    IN: "nin inputsize ninputs numinputs inputdim indim din inputnodes ninput infeatures nx "
        "inputlayersize numinput inputs input inodes indims inputunits nfeatures d",
    HIDDEN: "nhidden hiddensize hidden hiddendim nh hiddennodes numhidden hiddensizes hiddenunits "
            "hiddenfeatures hiddenlayersize hiddenlayersizes hiddenlayers hnodes nhid dhidden h "
            "hiddenneurons",
    OUT: "nout outputsize noutputs numoutputs outputdim outdim dout outputnodes noutput "
         "outfeatures ny outputlayersize numoutput outputs output onodes nclasses numclasses "
         "outputunits k classes labels numlabels",
    INPUTS: "x", TARGETS: "y t",
}
METHOD = SAID_BY_BOTH | {
    INPUTS: "x inputs input data features traininginputs trainx xtrain trainingset images xbatch "
            "samples inputdata traindata xb inputlist a0 inputvector",
    TARGETS: "y t targets target labels label outputs output trainingoutputs ytrain trainy "
             "expected desired ybatch yb traintargets answers ytrue targetvector targetslist "
             "targetlist d",
    PAIRS: "trainingdata minibatch batch pairs dataset examples",
}
Table = Mapping[str, str]


def of_sizes(sizes: Sequence[int], rate: float, examples: int) -> dict[str, Any]:
    """What a network of these sizes, the inputs first, has to give by meaning, but for its data."""
    hidden: Any = sizes[1] if len(sizes) == 3 else list(sizes[1:-1])
    return {SIZES: list(sizes), IN: sizes[0], HIDDEN: hidden, OUT: sizes[-1], RATE: rate,
            COUNT: examples, ONCE: 1, SEED: 0, SILENT: False}


def meaning(name: str, table: Table) -> str:
    """What a parameter of this name means; "" for a name that is not in the table."""
    plain = name.lower().replace("_", "")
    return next((key for key, names in table.items() if plain in names.split()), "")


def asked_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a bound method, a class or a function; none where nobody knows them."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def takes(function: Callable[..., Any], table: Table, what: str) -> bool:
    """Whether it has a parameter that means this."""
    return any(meaning(p.name, table) == what for p in asked_of(function))


def called(function: Callable[..., Any], table: Table, values: Mapping[str, Any],
           where: str, otherwise: str) -> Any:
    """Call it with what its signature asks for, of these values by meaning.

    A parameter with a default is left out where its name says nothing. Raises AdapterError, which
    begins with `where` and ends with what to write `otherwise`, for one that must be given.
    """
    positional, named = [], {}
    for parameter, value in _arguments(function, table, values, where, otherwise):
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[parameter.name] = value
    return function(*positional, **named)


def _arguments(function: Callable[..., Any], table: Table, values: Mapping[str, Any], where: str,
               otherwise: str) -> Iterator[tuple[inspect.Parameter, Any]]:
    parameters = asked_of(function)
    for parameter in parameters:
        means = meaning(parameter.name, table)
        if means in values:
            yield parameter, values[means]
        elif parameter.default is parameter.empty:
            found = ", ".join(each.name for each in parameters)
            raise AdapterError(f"{where} takes ({found}), and nothing is known to be meant by "
                               f"{parameter.name!r}: {otherwise}")
