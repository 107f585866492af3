"""Messages between the two processes: length-prefixed JSON, with the arrays beside it in shared memory."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from engine.sessions.errors import NotTransferable
from engine.sessions.shared import ArrayFiles

PREAMBLE = b"theodolite-session 1\n"  # the server's first line; what an interpreter's start-up prints comes before it
_LENGTH = struct.Struct("<Q")
_ARRAY = "$array"  # {"$array": 2} stands for the third array of the message
_ESCAPE = "$mapping"  # {"$mapping": [[key, value], ...]} for a caller's own mapping that has one of these two keys


class Channel:
    """One end of the conversation. ``send`` may be called by any thread, ``messages`` by one."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, files: ArrayFiles) -> None:
        self._source = source
        self._sink = sink
        self._files = files
        self._lock = threading.Lock()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message; dictionaries, lists, JSON values and numeric arrays at any depth.

        Raises:
            NotTransferable: it holds something else. NoRoom: nowhere to put the arrays.
            OSError, ValueError: the other side is gone.
        """
        arrays: list[np.ndarray[Any, Any]] = []
        tree = pack(message, arrays)
        body = json.dumps([tree, self._files.put(arrays)], separators=(",", ":"), check_circular=False).encode()
        with self._lock:
            self._sink.write(_LENGTH.pack(len(body)) + body)
            self._sink.flush()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Messages until the other side closes; a torn last one is dropped."""
        while len(head := self._source.read(_LENGTH.size)) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            body = self._source.read(length)
            if len(body) < length:
                return
            tree, placed = json.loads(body)
            yield unpack(tree, self._files.take(placed))


def pack(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """A JSON tree of ``value``; its arrays are appended to ``arrays`` and referred to by index."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biufcSUmM":
            raise NotTransferable(kind=f"array of {value.dtype}")
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic):
        return pack(value.item(), arrays)
    if isinstance(value, list | tuple):
        return [pack(item, arrays) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise NotTransferable(kind="mapping with keys that are not text")
        packed = {key: pack(item, arrays) for key, item in value.items()}
        return {_ESCAPE: list(packed.items())} if _ARRAY in value or _ESCAPE in value else packed
    raise NotTransferable(kind=type(value).__name__)


def unpack(tree: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    """The value that ``pack`` took apart; tuples come back as lists, numpy scalars as Python's."""
    if isinstance(tree, list):
        return [unpack(item, arrays) for item in tree]
    if isinstance(tree, dict):
        if _ARRAY in tree:
            return arrays[tree[_ARRAY]]
        items = tree[_ESCAPE] if _ESCAPE in tree else tree.items()
        return {key: unpack(item, arrays) for key, item in items}
    return tree
