"""Networks inside the claims: a chain, as it is or grown into one of the claimed structures."""

from __future__ import annotations

from dataclasses import replace

from ...reference import DescriptionError, Network
from ..claims import Claims, Head, Range, activation
from ..inside import made_inside
from ..structure import Choose, Limits
from ..structures import PLAIN, STRUCTURES, allowed, structured, structures_of
from .chains import chain_inside, parameters

DEEPER = 4
CHAINS = 3             # tried, until one has room for what was chosen
MANY = 8               # structures: up to so many, half of the networks are plain
FEW = 3                # of the choices are plain where there are more
BESIDE = (0, 0, 1)     # further structures in one network, where there are few
MORE = (1, 2, 3, 4)    # and where there are many


def network_inside(choose: Choose, claims: Claims, head: Head) -> Network:
    """A network inside the claims, with this head: plain as often as all structures together.

    Where many structures are claimed, each network has more of them, and fewer are plain.
    """
    if claims.networks:
        chosen_one: Network = choose(
            [each for each in claims.networks if claims.loss_of(head) == each.loss])
        return chosen_one
    claims = claims.with_head(head)
    network = _network(choose, claims, head)
    for levels in _depths(claims.depth):  # a chain may be too short or deep for what is claimed
        if structured(network, claims.structures):
            break
        network = _network(choose, claims, head, (levels, levels))
    return network


def least(network: Network, claims: Claims, head: Head) -> Network:
    """The smallest network inside the claims that grows from this chain: every choice the first.

    The chain itself where plain ones are claimed; the first network where networks are claimed.
    """
    if claims.networks:
        return network_inside(lambda options: options[0], claims, head)
    for name in () if PLAIN in claims.structures else claims.structures:
        found = grown(lambda options: options[0], network, name, claims)
        if structured(found, claims.structures):
            return found
    return network


def _depths(limits: Range) -> list[int]:
    """The depths allowed, from the least on, each twice."""
    least, most = limits
    last = least + DEEPER if most is None else min(most, least + DEEPER)
    return [levels for levels in range(least, last + 1) for _ in range(2)]


def _network(choose: Choose, claims: Claims, head: Head, depth: Range | None = None) -> Network:
    """One draw: a chain, of this depth if one is given, grown within the claims.

    Few chains have room for some structures, so another chain is drawn where the first has none.
    """
    of_chains = replace(claims, depth=depth or claims.depth, layers=(PLAIN,))
    more = [name for name in claims.structures if name != PLAIN]
    few = len(more) if len(more) <= MANY else FEW
    plain = [PLAIN] * (few if PLAIN in claims.structures else 0)
    names = chosen(choose, [*plain, *more], more) if more else [PLAIN]
    for _ in range(CHAINS):
        network = chain_inside(choose, of_chains, head)
        for name in names:
            network = grown(choose, network, name, claims) if name != PLAIN else network
        if names[0] in structures_of(network):
            break
    return network


def chosen(choose: Choose, names: list[str], more: list[str]) -> list[str]:
    """One structure, and now and then a second one; up to four where there are many."""
    first = choose(names)
    if first == PLAIN:
        return [first]
    return [first, *(choose(more) for _ in range(choose(BESIDE if len(more) <= MANY else MORE)))]


def grown(choose: Choose, network: Network, name: str, claims: Claims) -> Network:
    """The network with one structure more, where it can have it inside the claims."""
    hidden = tuple(map(activation, claims.hidden))
    if claims.same_hidden:
        used = [spec for _, spec in network.walk() if spec in hidden]
        hidden = tuple(used[:1]) or hidden[:1]
    most = claims.depth[1]
    limits = Limits(hidden, None if most is None else most - network.depth,
                    biases(network, claims), claims.options,
                    tuple(allowed(claims.structures)))
    try:
        found = STRUCTURES[name].grow(choose, network, limits)
    except DescriptionError:  # on its way it would be a network whose layers do not fit
        return network
    if found is None or not set(structures_of(found)) - {PLAIN} <= allowed(claims.structures):
        return network
    return found if fits(found, claims) and made_inside(claims, found) else network


def biases(network: Network, claims: Claims) -> tuple[bool, ...]:
    """Whether a layer that is added may have a bias, and whether it may have none."""
    allowed = {"always": (True,), "never": (False,), "layer": (False,), "any": (True, False)}
    if claims.bias in allowed:
        return allowed[claims.bias]
    return (any(spec.options.get("bias") for _, spec in network.walk()),)


def fits(network: Network, claims: Claims) -> bool:
    """Whether the layers fit each other, with no more parameters than are claimed."""
    try:
        size = parameters(network)
    except DescriptionError:
        return False
    return claims.max_parameters is None or size <= claims.max_parameters
