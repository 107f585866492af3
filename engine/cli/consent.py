"""Consent on the command line: whoever types the path of a model file there agrees to run its code."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from engine.models import consent, freeze
from engine.models.config import UserModel
from engine.models.errors import ConsentMissing

M = TypeVar("M", bound=BaseModel)
SAID = "The code of {files} runs with your rights, as naming {entry} here asks for (SHA-256 {hash})."


class NotNamed(ConsentMissing):
    """Raised when a config file brings code with it that nobody here has agreed to."""

    remedy = "Read the file and the modules that it imports; then name it with --set {setting}={path}."


def settle(config: M, typed: Collection[str], say: Callable[[str], None]) -> M:
    """The config with the hashes of the users' code in it, all of it agreed to.

    Args:
        typed: keys of the settings that were typed, such as "train.model.path". say: gets a line for each consent.

    Raises:
        NotNamed: a model file was not typed, and nobody has agreed to it before. And what surveying a file raises.
    """
    return _settle(config, "", typed, say)


def _settle(value: M, key: str, typed: Collection[str], say: Callable[[str], None]) -> M:
    if isinstance(value, UserModel):
        source = freeze.survey(Path(value.path))
        setting = f"{key}path"
        if not consent.consented(source.sha256):
            if setting not in typed:
                raise NotNamed(path=value.path, sha256=source.sha256, setting=setting)
            consent.grant(source.sha256, value.path)
            say(SAID.format(files=", ".join(source.files), entry=source.entry, hash=source.sha256))
        return value.model_copy(update={"sha256": source.sha256})
    parts = {name: getattr(value, name) for name in type(value).model_fields}
    update = {
        name: _settle(part, f"{key}{name}.", typed, say) for name, part in parts.items() if isinstance(part, BaseModel)
    }
    return value.model_copy(update=update) if update else value
