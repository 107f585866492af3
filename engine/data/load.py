"""From a data config to arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.data.builtin import read_builtin
from engine.data.config import BuiltinData, FileData, ModelFileData
from engine.data.dataset import Dataset, Raw, prepare
from engine.data.errors import NoData


def load(config: BuiltinData | FileData | ModelFileData, own: Callable[[], Any] | None = None) -> Dataset:
    """Read, split and prepare the data of a config.

    Args:
        config: which data. own: the ``data()`` of the user's model file, needed for ModelFileData only.

    Raises:
        DataError: a subclass for each fault, worded for the data's owner.
    """
    return prepare(read(config, own), config)


def read(config: BuiltinData | FileData | ModelFileData, own: Callable[[], Any] | None = None) -> Raw:
    """The examples as they are, before split and preparation."""
    if isinstance(config, BuiltinData):
        return read_builtin(config)
    if isinstance(config, FileData):
        from engine.data.files import read_file

        return read_file(config)
    if own is None:
        raise NoData()
    from engine.data.own import read_own

    return read_own(own)
