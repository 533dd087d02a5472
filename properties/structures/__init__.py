"""The structures that networks are drawn with: a family a file, found by itself."""

from ...reference.families import collected
from ..structure import Structure

STRUCTURES: dict[str, Structure] = collected(__name__, __path__, "STRUCTURES")
PLAIN, chain = next((name, row.plain) for name, row in STRUCTURES.items() if row.plain)
