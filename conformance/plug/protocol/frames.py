"""Messages on a stream: one line of JSON each, and a block of bytes after it where it says so.

A message is a JSON object in UTF-8 that ends with a newline. Where it has `"binary": n`, n bytes
follow the newline at once, and its arrays say at which of them they begin. The bytes are little
endian and in row-major order.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ...reference.arrays import ARRAY_DTYPES, array_to_json

CHUNK = 2**16
BLOCKS = {name: np.dtype(name).newbyteorder("<") for name in ARRAY_DTYPES}
NAMES = {np.dtype(name): name for name in ARRAY_DTYPES}  # NumPy makes them up anew each time
SHOWN = 200  # characters of a line that is no message
Json = Any


class Frame(NamedTuple):
    """A message, and the block of bytes that came with it."""

    message: dict[str, Json]
    block: bytes = b""


class Stray(NamedTuple):
    """A line that is no message: how it begins, and why."""

    text: str
    why: str


class TooLong(Exception):  # noqa: N818 - about the other side, not an error of ours
    """More bytes than a message may have; nothing after them can be told apart."""


def encoded(message: dict[str, Json], binary: bool) -> bytes:
    """A message on its way; its NumPy arrays are in a block after the line, or in the line."""
    block, size = list[bytes](), 0

    def array(value: Any) -> Json:
        nonlocal size
        if not binary:
            return array_to_json(value)
        block.append(_little(value).tobytes())
        at, size = size, size + value.nbytes
        return {"dtype": NAMES.get(value.dtype) or str(value.dtype), "shape": value.shape, "at": at}

    text = json.dumps(message, default=array, separators=(",", ":"))
    if size:
        text = f'{text[:-1]},"binary":{size}}}'
    return b"".join((text.encode(), b"\n", *block))


def _little(array: Any) -> Any:
    return array if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("<"))


def read_frame(stream: BinaryIO, most: Callable[[], int]) -> Frame | Stray | None:
    """The next message or stray line; None at the end.

    most() is how many bytes it may have, asked while they come, since a reader waits for a reply
    before it is known what is asked. Raises TooLong for more.
    """
    line = _line(stream, most)
    if not line:
        return None
    message = _object(line)
    if isinstance(message, Stray):
        return message
    size = message.get("binary", 0)
    if type(size) is not int or size <= 0:  # in a greeting it says whether there may be any
        return Frame(message)
    if size > most():
        raise TooLong(f"a block of {size:,} bytes where at most {most():,} are wanted")
    return Frame(message, stream.read(size))


def _line(stream: BinaryIO, most: Callable[[], int]) -> bytes:
    line = stream.readline(CHUNK)
    if line.endswith(b"\n") or not line:
        return line
    parts, size = [line], len(line)
    while part := stream.readline(CHUNK):
        parts.append(part)
        size += len(part)
        if size > most():
            raise TooLong(f"a line of more than {most():,} bytes")
        if part.endswith(b"\n"):
            break
    return b"".join(parts)


def _object(line: bytes) -> dict[str, Json] | Stray:
    """The JSON object of a line, or why it is none."""
    shown = line[:4 * SHOWN].decode("utf-8", "backslashreplace").rstrip("\r\n")[:SHOWN]
    if not line.endswith(b"\n"):
        return Stray(shown, "it ends without a newline")
    try:
        message = json.loads(line)
    except RecursionError:
        return Stray(shown, "it is nested too deeply")
    except ValueError:
        return Stray(shown, "it is no JSON")
    return message if isinstance(message, dict) else Stray(shown, "it is no JSON object")


def array_at(value: dict[str, Json], block: bytes) -> Any:
    """The array of a message that lies in its block, in memory of its own.

    Raises ValueError for a dtype, a shape or a place that cannot be.
    """
    name, shape = value["dtype"], tuple(value["shape"])
    if name not in BLOCKS or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"dtype {name} and shape {shape}")
    flat = np.frombuffer(block, BLOCKS[name], math.prod(shape), value["at"])
    return flat.astype(name).reshape(shape)
