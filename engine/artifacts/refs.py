"""References to artifacts: run, name, version and content hash; configs carry these."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, WithJsonSchema
from pydantic.functional_validators import AfterValidator


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


def ref_of(kind: str) -> Any:
    """The type of a config field that takes a reference to an artifact of this kind: ``model: ref_of("model")``."""

    def check(ref: ArtifactRef) -> ArtifactRef:
        if ref.kind != kind:
            raise ValueError(f"needs an artifact of kind {kind}, got {ref.kind}")
        return ref

    return Annotated[ArtifactRef, AfterValidator(check), WithJsonSchema({"type": "object", "artifact": kind})]
