"""References to artifacts: run, name, version and content hash; configs carry these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class ArtifactRef(BaseModel):
    """Names one artifact version.

    Attributes:
        run: the id of the run that published it.
        name: its name in that run.
        kind: its kind, e.g. "model".
        version: 1, 2, ...; None means "the newest when the citing run starts" and is settled then.
        sha256: content hash, settled together with the version; "" until then.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run: str
    name: str
    kind: str
    version: int | None = None
    sha256: str = ""

    def __str__(self) -> str:
        version = "" if self.version is None else f".{self.version:04d}"
        return f"{self.run}/{self.name}{version}"


@dataclass(frozen=True)
class OfKind:
    """Narrows a config field to references of one kind: ``ModelRef = Annotated[ArtifactRef, OfKind("model")]``.

    Such a field also takes what ``str(ref)`` gives: "RUN/NAME", or "RUN/NAME.0003" for one version.
    """

    kind: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        checked = core_schema.no_info_after_validator_function(self._check, handler(source))
        return core_schema.no_info_before_validator_function(self._read, checked)

    def _read(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        run, slash, rest = value.partition("/")
        name, dot, version = rest.partition(".")
        if not (run and slash and name) or (dot and not version.isdecimal()):
            raise ValueError("a reference is written RUN/NAME or RUN/NAME.VERSION")
        return {"run": run, "name": name, "kind": self.kind, "version": int(version) if dot else None}

    def _check(self, ref: ArtifactRef) -> ArtifactRef:
        if ref.kind != self.kind:
            raise ValueError(f"needs an artifact of kind {self.kind}, got {ref.kind}")
        return ref
