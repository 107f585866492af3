"""The base of every error that a person may read: what happened, why, and what to do."""

from __future__ import annotations

from typing import Any, ClassVar


class EngineError(Exception):
    """Raised where the cause is known, by a small subclass that words it.

    Subclasses set three English templates; keyword arguments fill them. The templates are the ids
    under which a reporter looks up a translation, so they are never assembled from pieces.

    Attributes:
        what: what happened, one sentence.
        why: the cause, one sentence, may be empty.
        remedy: what the reader can do about it, one sentence.
        params: the values for the templates' {names}.
    """

    what: ClassVar[str] = "Something went wrong."
    why: ClassVar[str] = ""
    remedy: ClassVar[str] = ""

    def __init__(self, **params: Any) -> None:
        self.params = params
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """The whole message in English."""
        parts = (self.what, self.why, self.remedy)
        return " ".join(part.format(**self.params) for part in parts if part)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.params)


def _rebuild(kind: type[EngineError], params: dict[str, Any]) -> EngineError:
    return kind(**params)
