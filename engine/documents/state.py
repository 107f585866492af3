"""What a document holds, and how it lies in the file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.documents.errors import NotADocument, NotText, WrongKind

FORMAT = "theodolite-document"

S = TypeVar("S", bound="State")


class State(BaseModel):
    """The base of what documents hold; subclasses add fields with defaults or give one to ``Document.create``.

    Attributes:
        kind: stable name of this sort of document. schema_version: major version of the fields.
    """

    model_config = ConfigDict(extra="ignore", validate_assignment=True, allow_inf_nan=False)

    kind: ClassVar[str]
    schema_version: ClassVar[int] = 1

    @classmethod
    def migrate(cls, data: dict[str, Any], version: int) -> dict[str, Any]:
        """Bring fields written under an older ``schema_version`` to today's."""
        return data


def dump(state: State) -> dict[str, Any]:
    """The state as a JSON tree."""
    return state.model_dump(mode="json", warnings="none")


def revision(kind: str, data: dict[str, Any]) -> str:
    """SHA-256 of a state's canonical JSON; runs that use a document cite its id and this."""
    text = json.dumps([kind, data], sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def encode(id: str, kind: str, version: int, data: dict[str, Any]) -> bytes:
    """The file of a document, readable by people."""
    envelope = {"format": FORMAT, "kind": kind, "schema_version": version, "id": id, "state": data}
    return (json.dumps(envelope, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def decode(path: Path, content: bytes) -> dict[str, Any]:
    """The envelope in a file, with all its parts.

    Raises:
        NotText, NotADocument: the file is something else.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotText(path=path, place=error.start) from error
    try:
        envelope = json.loads(text)
    except ValueError as error:
        raise NotADocument(path=path, reason=f"It is no JSON: {error}.") from error
    except RecursionError as error:
        raise NotADocument(path=path, reason="It is nested too deeply.") from error
    if not isinstance(envelope, dict) or envelope.get("format") != FORMAT:
        raise NotADocument(path=path, reason="It is the JSON of another program.")
    parts = {"kind": str, "schema_version": int, "id": str, "state": dict}
    for name, wanted in parts.items():
        if not isinstance(envelope.get(name), wanted):
            raise NotADocument(path=path, reason=f"Its part “{name}” is missing or damaged.")
    return envelope


def parse(path: Path, envelope: dict[str, Any], state: type[S]) -> S:
    """The state in an envelope, brought to today's version.

    Raises:
        WrongKind: it is another sort of document. NotADocument: its fields do not fit.
    """
    if envelope["kind"] != state.kind:
        raise WrongKind(path=path, found=envelope["kind"], wanted=state.kind)
    data, version = envelope["state"], envelope["schema_version"]
    try:
        if version < state.schema_version:
            data = state.migrate(data, version)
        return state.model_validate(data)
    except ValidationError as error:
        raise NotADocument(path=path, reason=first_fault(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotADocument(path=path, reason=f"Its format {version} cannot be brought up to date.") from error


def first_fault(error: ValidationError) -> str:
    """The first thing that a validation found, as a sentence."""
    fault = error.errors()[0]
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}." if place else f"{fault['msg']}."


def loses(raw: Any, kept: Any) -> bool:
    """Whether ``raw`` has fields that ``kept`` does not."""
    if isinstance(raw, dict) and isinstance(kept, dict):
        return any(key not in kept or loses(value, kept[key]) for key, value in raw.items())
    if isinstance(raw, list) and isinstance(kept, list):
        return len(raw) > len(kept) or any(map(loses, raw, kept))
    return False
