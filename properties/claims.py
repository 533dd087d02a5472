"""What a subject says it can do. Cases are generated inside its claims, never filtered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..oracles import ORACLES
from ..reference import ACTIVATIONS, LOSSES, TABLES, DescriptionError, LayerSpec, parse
from ..reference.arrays import DTYPES
from ..reference.checks import mapping, number, one_of, refuse_unknown
from ..reference.network import PENALISED, PENALTIES, STATED, LossSpec, Network
from ..reference.parse import clip_of, delta_of, not_zero, smoothing_of
from ..reference.training import check_rule
from .structures import PLAIN, STRUCTURES, structures_of

BIAS = ("always", "never", "any", "all_or_none", "layer")
MADE_OF = tuple(dict.fromkeys(row.family for row in ORACLES.values() if row.witness))
TARGETS = ("any", "real", "one_hot", "soft", "binary", "index", "sign")
GRADIENTS, STEP, VJP = "gradients", "step", "vjp"
ANSWERS = (GRADIENTS, STEP, VJP)
Range = tuple[int, int | None]


def _range(what: str, value: Any) -> Range:
    if isinstance(value, int) and not isinstance(value, bool):
        value = (value, value)
    ok = (isinstance(value, tuple | list) and len(value) == 2
          and type(value[0]) is int and value[0] >= 1)
    if not ok or not (value[1] is None or (type(value[1]) is int and value[1] >= value[0])):
        raise DescriptionError(f"{what}: {value!r} is not a range such as (1, None) or (2, 8)")
    return (value[0], value[1])


@dataclass(frozen=True, repr=False)
class Head:
    """An output activation and a loss, coupled as a real library couples them.

    reduction: "reported" fits sum, mean_over_batch or mean (and a scale of 1, 1/2 or 2) once, from
    the loss the subject reports; or name one, with its `scale`, or "weighted": the unreduced loss
    times the numbers in parameters["loss.cotangent"], summed. targets: "real", "one_hot", "soft",
    "binary", "index", "sign", or "any" that the loss takes. outputs: how many output units, (least,
    most or None). log_floor: the loss clips its probabilities there ("eps" or a number) while the
    gradient does not; where the clip is active the loss is not checkable. clip: both clip them, to
    [clip, 1 - clip], and the gradient is 0 where that changes them. gradient_scale: the gradients
    are so many times those of the loss reported (2 where a loss with a factor 1/2 is reported whose
    gradient lacks it). logits: the largest size of what the output activation, or a loss of logits,
    is taken of. delta: of the Huber loss. smoothing: of the labels, t (1 - smoothing) +
    smoothing / K.
    """

    activation: str
    loss: str
    reduction: str = "reported"
    scale: float = 1.0
    targets: str = "any"
    outputs: Range = (1, None)
    log_floor: str | float | None = None
    clip: float = 0.0
    gradient_scale: float = 1.0
    logits: float | None = None
    delta: float = 1.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        named("activation", self.activation, ACTIVATIONS)
        row = LOSSES[named("loss", self.loss, LOSSES)]
        one_of("head: reduction", self.reduction, ("reported", *STATED))
        one_of("head: targets", self.targets, TARGETS)
        if self.targets not in ("any", *row.targets):
            raise DescriptionError(f"head: {self.loss} takes targets {', '.join(row.targets)}; "
                                   f"received {self.targets!r}")
        low, high = ACTIVATIONS[self.activation].range
        if low < row.domain[0] or high > row.domain[1]:
            raise DescriptionError(f"head: {self.loss} wants outputs in {row.domain}, "
                                   f"but {self.activation} gives values in {(low, high)}")
        self._check_numbers()
        object.__setattr__(self, "outputs", _range("head: outputs", self.outputs))

    def _check_numbers(self) -> None:
        """The numbers of the head are numbers, and do not contradict each other."""
        if self.log_floor is not None:
            if self.log_floor != "eps":
                number("head: log_floor (\"eps\" or a number)", self.log_floor)
            clip_of("head: log_floor", 0.25, self.loss)  # of probabilities only
        object.__setattr__(self, "scale", number("head: scale", self.scale))
        object.__setattr__(self, "clip", clip_of("head: clip", self.clip, self.loss))
        by = not_zero("head: gradient_scale", self.gradient_scale)
        object.__setattr__(self, "gradient_scale", by)
        object.__setattr__(self, "delta", delta_of("head: delta", self.delta, self.loss))
        e = smoothing_of("head: smoothing", self.smoothing, self.loss)
        object.__setattr__(self, "smoothing", e)
        if self.clip and self.log_floor is not None:
            raise DescriptionError("head: clip (in loss and gradient) and log_floor (in the loss "
                                   "only) contradict each other; claim one of them")
        if self.logits is not None and not number("head: logits", self.logits) >= 1:
            raise DescriptionError(f"head: logits is {self.logits!r}, wanted a number, 1 or more")

    def __repr__(self) -> str:
        """As one writes it: what is as it is by default is left out."""
        given = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self)[2:]
                 if getattr(self, f.name) != f.default]
        return f"Head({', '.join([repr(self.activation), repr(self.loss), *given])})"

    @property
    def target_kinds(self) -> tuple[str, ...]:
        """The kinds of target to generate."""
        return LOSSES[self.loss].targets if self.targets == "any" else (self.targets,)

    @property
    def several(self) -> Head:
        """The head with two outputs or more where one would be constant: the softmax of one is 1.

        As it is where one output is all that is claimed.
        """
        low, high = self.outputs
        return replace(self, outputs=(2, high)) if self.softmax and low == 1 != high else self

    @property
    def softmax(self) -> bool:
        """Whether the outputs go through a softmax, before the loss or in it."""
        return (self.activation in ("softmax", "log_softmax")
                or self.loss == "softmax_cross_entropy")

    @staticmethod
    def from_json(data: Any) -> Head:
        data = mapping("head", data)
        refuse_unknown("head", data, tuple(f.name for f in fields(Head)))
        for key in ("activation", "loss"):
            if key not in data:
                raise DescriptionError(f"head: {key} is missing")
        return Head(**data)


# What libraries call the rows of the tables.
ALIASES = {
    "linear": "identity", "none": "identity", "purelin": "identity", "logistic": "sigmoid",
    "sigm": "sigmoid", "tansig": "tanh", "swish": "silu", "leaky": "leaky_relu",
    "mse": "squared_error", "sse": "squared_error", "l2": "squared_error",
    "quadratic": "squared_error", "mean_squared_error": "squared_error",
    "mae": "absolute_error", "l1": "absolute_error", "mean_absolute_error": "absolute_error",
    "smooth_l1": "huber", "kl": "kl_divergence", "kl_div": "kl_divergence_of_logs",
    "hardtanh": "hard_tanh", "hardsigmoid": "hard_sigmoid", "logsoftmax": "log_softmax",
    "bce": "binary_cross_entropy", "log_loss": "binary_cross_entropy",
    "bce_with_logits": "sigmoid_cross_entropy", "nll": "cross_entropy", "ce": "cross_entropy",
    "categorical_crossentropy": "cross_entropy", "categorical_cross_entropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "binary_crossentropy": "binary_cross_entropy", "crossentropy": "cross_entropy",
    "negative_log_likelihood": "cross_entropy", "logloss": "binary_cross_entropy",
    "crossentropyloss": "softmax_cross_entropy", "cross_entropy_loss": "cross_entropy",
    "softmax_crossentropy": "softmax_cross_entropy", "logits": "softmax_cross_entropy",
    "cross_entropy_with_logits": "softmax_cross_entropy",
    "bcewithlogits": "sigmoid_cross_entropy", "bcewithlogitsloss": "sigmoid_cross_entropy",
    "mseloss": "squared_error", "l2_loss": "squared_error", "sum_of_squares": "squared_error",
    "rmse": "squared_error", "squared": "squared_error", "l1_loss": "absolute_error",
    "smoothl1": "huber", "sigmoidal": "sigmoid", "rectifier": "relu", "relu_6": "relu6",
    "leakyrelu": "leaky_relu", "lrelu": "leaky_relu", "htanh": "hard_tanh", "soft_plus": "softplus",
}


def named(what: str, value: Any, table: Mapping[str, Any]) -> str:
    """The name of a row of the table; DescriptionError with the name to write for another's."""
    plain = str(value).lower().replace("-", "_").replace(" ", "_")
    meant = plain if plain in table else ALIASES.get(plain)
    if value not in table and meant in table:
        raise DescriptionError(f"{what}: {value!r} is called {meant!r} here; write {meant!r}")
    found: str = one_of(f"head: {what}", value, table)
    return found


def activation(value: str | Mapping[str, Any]) -> LayerSpec:
    """"tanh", or {"function": "leaky_relu", "slope": 0.1}, as the layer it describes."""
    data = {"function": value} if isinstance(value, str) else dict(mapping("hidden", value))
    if isinstance(data.get("function"), str) and data["function"] not in ACTIVATIONS:
        named("hidden activation", data["function"], ACTIVATIONS)
    return parse.layer(TABLES, "hidden", {"kind": "activation", **data})


def loss_of(head: Head, l2: float = 0.0, l2_on: str = "weights",
            l2_reduction: str = "sum") -> LossSpec:
    """The loss of a network with this head; "reported" is a mean over the batch until fitted."""
    reduction = "mean_over_batch" if head.reduction == "reported" else head.reduction
    on = (l2_on, l2_reduction) if l2 else ("weights", "sum")
    return LossSpec(head.loss, reduction, head.scale, head.clip, l2, *on, head.gradient_scale,
                    head.delta, head.smoothing)


@dataclass(frozen=True)
class Claims:
    """Which networks and cases a subject says that it can answer.

    hidden: the activations between layers. heads: the output activations with their losses. bias,
    batch, depth (layers with units) and dtypes: which of each. layers: what networks may be made of
    and look like, by the names of `properties.structures` ("dense" for plain chains, "parallel",
    "shared", "sequence", "lstm", ...), or "all"; a mapping such as {"kind": "lstm", "peephole":
    False, "returns": ["last"]} says which options that kind may have. networks: these networks and
    no other, as descriptions; heads, hidden, bias, depth and layers are then what they have.
    same_hidden: one activation for all hidden layers;
    same_output: the output activation is theirs too; same_widths: they have one number of units.
    max_parameters: the largest network to send. l2: l2 / 2 times the sum of squares is in the loss
    and in the gradients; of "weights", or of "all" with biases too (l2_on); as a "sum", or divided
    by the number of examples, "mean_over_batch" (l2_reduction). made_of: the libraries that the
    subject is built from, which cannot witness for it. rate: the gradients are differences of
    parameters, (old - new) over this rate. explored: nothing was claimed, so the subject may
    decline. answers: "gradients", beside a loss, or "step": parameters after a training step, and
    no loss. rule: the update rule of such a step (`reference.training`), its rate included. Raises
    DescriptionError for what cannot be.
    """

    hidden: tuple[str | Mapping[str, Any], ...] = ()
    heads: tuple[Head, ...] = (Head("identity", "squared_error"),)
    same_hidden: bool = False
    bias: str = "always"
    batch: Range = (1, None)
    depth: Range = (1, None)
    dtypes: tuple[str, ...] = ("float64",)
    max_parameters: int | None = None
    layers: tuple[str | Mapping[str, Any], ...] = (PLAIN,)
    same_output: bool = False
    same_widths: bool = False
    l2: float = 0.0
    l2_on: str = "weights"
    l2_reduction: str = "sum"
    made_of: tuple[str, ...] = ()
    explored: bool = field(default=False)
    rate: float | None = None
    networks: tuple[Network, ...] = ()
    answers: str = GRADIENTS
    rule: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.networks:
            self._read_networks()
        object.__setattr__(self, "networks", tuple(self.networks))
        layers: Any = self.layers  # what a caller gives may be the word
        if layers == "all":
            object.__setattr__(self, "layers", tuple(STRUCTURES))
        for name in ("hidden", "heads", "dtypes", "layers", "made_of"):
            value = getattr(self, name)
            if not isinstance(value, tuple | list):
                raise DescriptionError(f"claims: {name} is {value!r}, wanted a list")
            object.__setattr__(self, name, tuple(value))
        for each in self.hidden:
            activation(each)
        if not self.heads or not all(isinstance(head, Head) for head in self.heads):
            raise DescriptionError("claims: heads wants at least one Head(activation, loss)")
        for dtype in self.dtypes:
            one_of("claims: dtype", dtype, DTYPES)
        for each in self.layers:
            _check_kind(each)
        if not self.layers:
            raise DescriptionError(f"claims: layers is empty; allowed: {', '.join(STRUCTURES)}")
        if not self.dtypes:
            raise DescriptionError(f"claims: dtypes is empty; allowed: {', '.join(DTYPES)}")
        for name in self.made_of:
            one_of("claims: made_of", name, MADE_OF)
        one_of("claims: bias", self.bias, BIAS)
        one_of("claims: answers", self.answers, ANSWERS)
        if self.rule:
            check_rule(mapping("claims: rule", self.rule))
        for name in ("batch", "depth"):
            object.__setattr__(self, name, _range(f"claims: {name}", getattr(self, name)))
        object.__setattr__(self, "l2", number("claims: l2", self.l2))
        one_of("claims: l2_on", self.l2_on, PENALISED)
        one_of("claims: l2_reduction", self.l2_reduction, PENALTIES)
        most = self.max_parameters
        if most is not None and not (type(most) is int and most >= 1):
            raise DescriptionError(f"claims: max_parameters is {most!r}, wanted a positive integer")
        if self.rate is not None and number("claims: rate", self.rate) <= 0:
            raise DescriptionError(f"claims: rate is {self.rate!r}, wanted a number above 0")
        self._check_together()

    def _read_networks(self) -> None:
        """Networks from their descriptions, and the claims that follow from them."""
        if not isinstance(self.networks, tuple | list):
            raise DescriptionError(f"claims: networks is {self.networks!r}, wanted a list of "
                                   "descriptions")
        found = tuple(each if isinstance(each, Network) else parse.network(each)
                      for each in self.networks)
        functions = [spec for each in found for _, spec in each.walk() if spec.function is not None]
        hidden = tuple({"function": spec.function, **spec.options} for spec in functions)
        structures = tuple(dict.fromkeys(n for each in found for n in structures_of(each)))
        depths = [each.depth for each in found]
        follows = {
            "networks": found, "heads": tuple(dict.fromkeys(map(_head_of, found))),
            "hidden": tuple({"function": "identity"} if not hidden else each for each in hidden),
            "bias": "any", "layers": structures or (PLAIN,),
            "depth": (max(1, min(depths)), max(1, *depths))}
        for name, value in follows.items():
            object.__setattr__(self, name, value)

    @property
    def structures(self) -> tuple[str, ...]:
        """The names of what networks may be made of and look like."""
        return tuple(each if isinstance(each, str) else str(each["kind"]) for each in self.layers)

    @property
    def options(self) -> dict[str, dict[str, tuple[Any, ...]]]:
        """By layer kind and option, the only values that are claimed."""
        return {each["kind"]: {name: values_of(each["kind"], name, value)
                               for name, value in each.items() if name != "kind"}
                for each in self.layers if not isinstance(each, str)}

    def allow(self, network: Network) -> bool:
        """Whether every option of its layers is among the values claimed for the layer's kind."""
        claimed = self.options
        return all(spec.options[name] in allowed
                   for _, spec in network.walk() if spec.kind in claimed
                   for name, allowed in claimed[spec.kind].items())

    def _check_together(self) -> None:
        """Raise DescriptionError, by name, for claims that no network can meet together."""
        if self.depth[0] > 1 and not self.hidden:
            raise DescriptionError("claims: depth above 1 needs at least one hidden activation")
        for head in self.heads:
            self._check_head(head)
        if self.l2 < 0:
            raise DescriptionError(f"claims: l2 is {self.l2!r}, wanted a number, 0 or more")
        if not self.l2 and (self.l2_on, self.l2_reduction) != ("weights", "sum"):
            raise DescriptionError("claims: l2_on and l2_reduction need l2, the penalty's factor")
        if self.l2 and self.l2_on == "all" and self.bias == "never":
            raise DescriptionError("claims: l2_on=\"all\" is of biases too, but bias is \"never\"")
        self._check_layers()

    def _check_layers(self) -> None:
        """Whether networks can be what is claimed of their layers, within the depth claimed."""
        deep = [STRUCTURES[name].least for name in self.structures]
        if self.depth[1] is not None and self.depth[1] < min(deep) and not self.networks:
            raise DescriptionError(f"claims: layers {', '.join(self.structures)} need a depth of "
                                   f"{min(deep)} at least; depth is {self.depth}")
        uneven = [name for name in self.structures if not STRUCTURES[name].even]
        if self.same_widths and uneven:
            raise DescriptionError(f"claims: same_widths contradicts layers {', '.join(uneven)}, "
                                   "which change the number of units")

    def _check_head(self, head: Head) -> None:
        name = f"{head.activation} + {head.loss}"
        if self.same_output and self.depth[1] != 1 and not self.hidden_of(head):
            raise DescriptionError(f"claims: same_output with the head {name}, but "
                                   f"{head.activation} is not among the hidden activations")
        least, most = self.least_parameters(head), self.max_parameters
        if most is not None and least > most:
            raise DescriptionError(f"claims: max_parameters is {most}, but the smallest network "
                                   f"with the head {name} has {least}: depth {self.depth[0]}, "
                                   f"outputs {head.several.outputs[0]}, bias {self.bias!r}")

    def least_parameters(self, head: Head) -> int:
        """How many parameters the smallest chain with this head has."""
        if self.bias == "layer":  # one number a layer
            return 2 * (self.depth[0] - 1) + head.several.outputs[0] + 1
        bias = int(self.bias == "always")
        return (self.depth[0] - 1) * (1 + bias) + head.several.outputs[0] * (1 + bias)

    def hidden_of(self, head: Head) -> tuple[LayerSpec, ...]:
        """The hidden activations that a network with this head may have."""
        every = tuple(map(activation, self.hidden))
        if not self.same_output:
            return every
        return tuple(spec for spec in every if spec == activation(head.activation))

    def with_head(self, head: Head) -> Claims:
        """The claims, less the hidden activations that do not go with this head."""
        if not self.same_output:
            return self
        fitting = tuple(each for each in self.hidden
                        if activation(each) == activation(head.activation))
        return replace(self, heads=(head,), hidden=fitting)

    def loss_of(self, head: Head) -> LossSpec:
        """The loss of a network with this head, penalty and all."""
        if self.networks:
            return next(each.loss for each in self.networks
                        if _head_of(each).several == head.several)
        return loss_of(head, self.l2, self.l2_on, self.l2_reduction)

    def head_of(self, network: Network) -> Head | None:
        """The first head with the network's output activation and loss."""
        of = (head for head in self.heads if (head.activation, head.loss) == network.head)
        return next(of, None)

    @property
    def reports_loss(self) -> bool:
        """Whether an answer has a loss that can be judged: only one that is loss and gradients."""
        return self.answers == GRADIENTS

    def to_json(self) -> dict[str, Any]:
        """Claims as data; `from_json` takes it back."""
        data = asdict(replace(self, networks=()))
        made = {"networks": [each.to_json() for each in self.networks]}
        return {**data, **made,
                "hidden": [dict(h) if isinstance(h, Mapping) else h for h in self.hidden]}

    @staticmethod
    def from_json(data: Any) -> Claims:
        data = dict(mapping("claims", data))
        refuse_unknown("claims", data, tuple(f.name for f in fields(Claims)))
        if "heads" in data:
            data["heads"] = tuple(Head.from_json(head) for head in data["heads"])
        return Claims(**data)


def _check_kind(each: Any) -> None:
    """Raise DescriptionError, by name, for what is no structure, or no option of a layer kind."""
    if isinstance(each, str):
        one_of("claims: layers", each, STRUCTURES)
        return
    data = dict(mapping("claims: layers", each))
    kind = one_of("claims: layers: kind", data.pop("kind", None), STRUCTURES)
    rule = TABLES.layers.get(kind)
    known = dict(rule.options) if rule is not None else {}
    refuse_unknown(f"claims: layers: {kind}", data, tuple(known))
    for name, value in data.items():
        for one in values_of(kind, name, value):
            if not known[name].check(one):
                raise DescriptionError(f"claims: layers: {kind}: {name} is {one!r}, "
                                       f"wanted {known[name].wanted}")


def values_of(kind: str, option: str, claimed: Any) -> tuple[Any, ...]:
    """The values of an option that are claimed: one, or a list of them.

    A list that is a value itself ([2, 2] for a window) is one value.
    """
    if isinstance(claimed, list | tuple) and not TABLES.layers[kind].options[option].check(claimed):
        return tuple(claimed)
    return (claimed,)


def _head_of(network: Network) -> Head:
    """The head that a network has."""
    loss = network.loss
    return Head(*network.head, reduction=loss.reduction, scale=loss.scale, clip=loss.clip,
                gradient_scale=loss.gradient_scale, delta=loss.delta, smoothing=loss.smoothing)


# Functions that programs have between layers: at the output they are tried with two losses only.
BETWEEN = ("elu", "selu", "mish", "softsign", "hard_tanh", "hard_sigmoid", "relu6", "abs")
PLAIN_LOSSES = ("squared_error", "inner_product")

# Heads with a number that is not the usual one.
NUMBERED = (Head("identity", "huber", delta=0.5), Head("softmax", "cross_entropy", smoothing=0.1),
            *(Head("identity", "softmax_cross_entropy", smoothing=e) for e in (0.1, 0.2, 0.4)))

EVERYTHING = Claims(
    hidden=tuple(name for name, row in ACTIVATIONS.items() if row.df is not None),
    heads=tuple(
        Head(name, loss)
        for loss, row in LOSSES.items()
        for name, act in ACTIVATIONS.items()
        if act.range[0] >= row.domain[0] and act.range[1] <= row.domain[1]
        and (name not in BETWEEN or loss in PLAIN_LOSSES)
    ) + NUMBERED,
    bias="any",
    dtypes=DTYPES,
    explored=True,
)

# What may be claimed, in words; what is left out is as `Claims()` and `Head(...)` have it.
SAYS = {
    "hidden": 'hidden activations: "tanh", or {"function": "leaky_relu", "slope": 0.1}',
    "heads": "output activations with their losses, a list of Head(activation, loss)",
    "same_hidden": "one activation for all hidden layers",
    "same_output": "the output activation is that of the hidden layers",
    "same_widths": "one number of units for all hidden layers",
    "bias": '"always", "never", "any" (each layer as it comes), "all_or_none", or "layer": one '
            "number for all units of a layer",
    "depth": "how many layers with units: (least, most), None for no limit",
    "batch": "how many examples: (least, most), None for no limit",
    "dtypes": '"float64", "float32"',
    "max_parameters": "the largest network to send; None for no limit",
    "layers": "what networks may look like, by the names of structures, or \"all\"",
    "l2": "l2 / 2 times the sum of squares is in the loss and in the gradients",
    "l2_on": 'of "weights", or of "all": biases too',
    "l2_reduction": '"sum", or "mean_over_batch": divided by the number of examples',
    "made_of": 'libraries it is built from, which cannot witness for it: "torch", "jax"',
    "networks": "these networks and no other, as descriptions; any batch and any numbers",
    "rate": "the gradients are read off a training step: (old - new) over this rate",
}
HEAD_SAYS = {
    "reduction": '"sum", "mean_over_batch", "mean", or "reported": read off the loss; "weighted": '
                 'the unreduced loss times parameters["loss.cotangent"], summed',
    "scale": "what multiplies the reduced loss",
    "targets": '"real", "one_hot", "soft", "binary", "index", "sign" (-1 and 1), or "any" that the '
               "loss takes",
    "outputs": "how many output units: (least, most), None for no limit",
    "log_floor": 'the loss clips its probabilities there ("eps" or a number), its gradient not',
    "clip": "both clip them to [clip, 1 - clip]; where that changes them the gradient is 0",
    "gradient_scale": "the gradients are so many times those of the loss reported",
    "logits": "the largest size of what the output activation, or a loss of logits, is taken of",
    "delta": "where the Huber loss turns from a square into a line",
    "smoothing": "so much of the targets is given to all classes alike",
}
