"""What a task sees of its run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.artifacts.refs import ArtifactRef


@dataclass(frozen=True)
class Unit:
    """One step of a plan, deterministic in (config, seed, index); the unit of resume.

    Attributes:
        index: its place in the plan, from 0. label: what the plan called it. seed: derived from (config.seed, index).
    """

    index: int
    label: str
    seed: int


class Run(Protocol):
    """The task's only way in and out. Each call returns fast; all of it survives the process.

    Attributes:
        device: "cpu", "mps" or "cuda:0", as torch names it. folder: the run's folder; tasks write only through calls.
    """

    device: str
    folder: Path

    def input(self, ref: ArtifactRef) -> Any:
        """The value of an artifact that the config refers to, read by its kind."""

    def history(self, ref: ArtifactRef) -> list[ArtifactRef]:
        """All versions of an artifact that the config refers to, up to the cited one; ``input`` takes each."""

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Tell how far the run is, in any unit; readers derive the time left."""

    def measure(
        self, id: str, value: Any, *, step: Any = None, interval: tuple[Any, Any] | None = None,
        n: int | None = None, **dims: Any,
    ) -> None:  # fmt: skip
        """Record a registered measure: a scalar, or with ``step`` a point of a series; arrays append many points."""

    def publish(self, name: str, artifact: Any, *, kind: str | None = None, complete: bool = False) -> ArtifactRef:
        """Write a new immutable version of a named output and announce it; kind defaults to Config.outputs[name]."""

    def units(self, plan: Iterable[str] | int) -> Iterator[Unit]:
        """The units still to do, with a ``point()`` before each; done is what a checkpoint in its body has saved."""

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Save atomically what resume needs: numpy arrays and JSON values in dicts; the last act of a unit."""

    def restored(self) -> Mapping[str, Any] | None:
        """The state of the newest good checkpoint, or None on a fresh start; units done before it are not repeated."""

    def warn(self, template: str, **params: Any) -> None:
        """Tell the user something about the numbers: English template and its values."""

    def point(self) -> None:
        """A place where Stop may take effect; raises Stopped. Call it at least every 100 ms of work."""


class Stopped(BaseException):
    """Raised by ``point()`` when the user asked to stop; tasks let it pass, hence a BaseException."""
