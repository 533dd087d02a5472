"""How the affine sites of a network are wired: what each one reads, and who reads what it gives.

Exact identities, mistakes and simplifications speak of "a site that reads the inputs", "two sites
with a tanh between them" or "the site before the loss". Which ones a network has is worked out
here from the rules of its layers, so that nothing else needs to know what kinds there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from .kinds import Shape, Site, Tables
from .network import LayerSpec, Network
from .shapes import infer
from .tables import TABLES

INPUTS, LOSS = "inputs", "loss"


class Source(NamedTuple):
    """Where an array comes from: "inputs" or a site's key, and the functions it went through since.

    `origin` is "" for what no name is given to: the output of a layer that is neither affine nor
    one function of its input.
    """

    origin: str
    through: tuple[str, ...] = ()


NOWHERE = Source("")


class Reader(NamedTuple):
    """Who reads an origin, after which functions: a site's key, "loss", or "" for other layers."""

    reader: str
    through: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """One affine site of a network, y = x W + b.

    `layer` is the layer's name ("2.0.1"), `site` its row in the layer's rule, `key` tells it from
    all others. `weight` and `bias` are the global names of its parameters ("" without a bias), and
    `alone` says that W is the parameter itself and all of it is trained, that each of its columns
    has its own entry of b, that no other site uses them, and that they are not transposed. `reads`
    is the source of x. `readers` are all that read y.
    """

    layer: str
    site: Site
    weight: str
    bias: str
    alone: bool
    reads: Source
    readers: tuple[Reader, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.layer}.{self.site.weight}"

    @property
    def parameters(self) -> list[str]:
        """The names of W and, where there is one, b."""
        return [self.weight, self.bias] if self.bias else [self.weight]

    @property
    def reads_inputs(self) -> bool:
        """Whether x is the network's input itself."""
        return self.reads == Source(INPUTS)

    @property
    def after(self) -> tuple[str, ...]:
        """The functions between y and its one reader; none where it has several."""
        return self.readers[0].through if len(self.readers) == 1 else ()

    @property
    def next(self) -> str:
        """The key of the one site that reads y, "loss", or "" where it is neither."""
        return self.readers[0].reader if len(self.readers) == 1 else ""


@dataclass(frozen=True)
class Wiring:
    """The sites of a network in the order of the forward, and who reads its inputs.

    `functions`: by layer, what each function of the network is taken of; `output`: the network's.
    """

    places: tuple[Place, ...]
    inputs: tuple[Reader, ...]
    functions: Mapping[str, Source]
    output: Source

    def place(self, key: str) -> Place | None:
        """The place with this key."""
        return next((place for place in self.places if place.key == key), None)

    @property
    def pairs(self) -> list[tuple[Place, Place]]:
        """Two sites with nothing but functions between them, neither sharing its parameters."""
        known = {place.key: place for place in self.places}
        return [(place, known[place.next]) for place in self.places
                if place.next in known and place.alone and known[place.next].alone]

    @property
    def first(self) -> list[Place]:
        """The sites whose x is the network's input itself and whose parameters are not shared."""
        return [place for place in self.places if place.reads_inputs and place.alone]

    @property
    def only_sites_read_inputs(self) -> bool:
        """Whether the inputs go straight into `first` and nowhere else."""
        return {r.reader for r in self.inputs} == {place.key for place in self.first} and all(
            not reader.through for reader in self.inputs)

    @property
    def last(self) -> Place | None:
        """The site whose y is, but for functions, the network's output; None where none is."""
        found = [place for place in self.places if place.next == LOSS and place.alone]
        return found[0] if len(found) == 1 else None


@lru_cache(maxsize=512)
def wired(network: Network) -> Wiring:
    """The wiring of a network of this package's tables; kept, since many ask for it."""
    return wiring(network, TABLES)


def wiring(network: Network, tables: Tables) -> Wiring:
    """The wiring of a network of any tables."""
    return _Walk(infer(network, tables).parameters, tables).of(network)


class _Walk:
    """One walk through the layers in the order of the forward."""

    def __init__(self, parameters: Mapping[str, Shape], tables: Tables):
        self.parameters, self.tables = parameters, tables
        self.places: list[Place] = []
        self.readers: dict[str, list[Reader]] = {}
        self.functions: dict[str, Source] = {}

    def of(self, network: Network) -> Wiring:
        output = self.chain(network.layers, "", Source(INPUTS))
        self.read(output, LOSS)
        uses = [name for place in self.places for name in place.parameters]
        places = [replace(place, readers=tuple(self.readers.get(place.key, ())),
                          alone=place.alone and all(uses.count(p) == 1 for p in place.parameters))
                  for place in self.places]
        return Wiring(tuple(places), tuple(self.readers.get(INPUTS, ())), self.functions, output)

    def read(self, source: Source, reader: str) -> None:
        self.readers.setdefault(source.origin, []).append(Reader(reader, source.through))

    def chain(self, layers: Iterable[LayerSpec], prefix: str, source: Source) -> Source:
        for i, spec in enumerate(layers):
            source = self.layer(spec, f"{prefix}.{i}" if prefix else str(i), source)
        return source

    def layer(self, spec: LayerSpec, name: str, source: Source) -> Source:
        if spec.function is not None:
            self.functions[name] = source
            return source._replace(through=(*source.through, spec.function))
        if spec.branches:
            for b, branch in enumerate(spec.branches):
                self.read(self.chain(branch, f"{name}.{b}", source), "")
            return NOWHERE
        return self.sites(spec, name, self.tables.layers[spec.kind].sites(spec), source)

    def sites(self, spec: LayerSpec, name: str, sites: Sequence[Site], source: Source) -> Source:
        """The layer's sites take their places; a layer without any reads its input unnamed."""
        if not any(site.reads == "input" for site in sites):
            self.read(source, "")
        output = NOWHERE
        for site in sites:
            place = self.place(spec, name, site, source)
            self.places.append(place)
            if site.reads == "input":
                self.read(source, place.key)
            if site.gives == "output":
                output = Source(place.key)
        return output

    def place(self, spec: LayerSpec, name: str, site: Site, source: Source) -> Place:
        weight, bias = self.owner(spec, name, site.weight), self.owner(spec, name, site.bias)
        reads = source if site.reads == "input" else NOWHERE
        whole = site.plain and not self.tables.layers[spec.kind].untrained(spec)
        alone = spec.share is None and site.per_unit and whole
        return Place(name, site, weight, bias, alone, reads)

    def owner(self, spec: LayerSpec, name: str, local: str) -> str:
        """The global name of a parameter, which may be another layer's."""
        if not local or f"{name}.{local}" in self.parameters:
            return local and f"{name}.{local}"
        return f"{spec.share}.{local}"
