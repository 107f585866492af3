"""The one reporter: errors and notices in words, in the window, with a history; never a bare traceback."""

from __future__ import annotations

import logging
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from app.shell.text import tr
from app.shell.theme import Level
from engine.errors import EngineError
from engine.runs.reader import RunReader
from engine.runs.state import CAUSES

log = logging.getLogger(__name__)

HISTORY = 200


@dataclass(frozen=True)
class Notice:
    """Something told to the user, in the user's language.

    Attributes:
        level: info, good, warn or bad. what: one sentence. why, remedy: one sentence each, may be empty.
        details: opens the log or the like; None when there is nothing more. when: seconds since the epoch.
        technical: for the log and for bug reports, never shown by itself.
    """

    level: Level
    what: str
    why: str = ""
    remedy: str = ""
    details: Callable[[], object] | None = None
    technical: str = ""
    when: float = field(default_factory=time.time)

    def text(self) -> str:
        """All sentences."""
        return " ".join(part for part in (self.what, self.why, self.remedy) if part)


def words(error: EngineError | Mapping[str, Any]) -> tuple[str, str, str]:
    """What, why and what to do, translated and filled, of an error or of the record of one.

    Args:
        error: an EngineError, or a mapping with the templates ``what``, ``why``, ``remedy`` and their ``params``.
    """
    if isinstance(error, EngineError):
        templates = (error.what, error.why, error.remedy)
        params: Mapping[str, Any] = error.params
    else:
        templates = tuple(str(error.get(name) or "") for name in ("what", "why", "remedy"))  # type: ignore[assignment]
        params = error.get("params") or {}
    what, why, remedy = (
        tr(template, **{str(k): v for k, v in params.items()}) if template else "" for template in templates
    )
    return what or tr(EngineError.what), why, remedy


def why(reader: RunReader) -> str:
    """Why a run failed or was lost, in the user's language; "" when it did neither."""
    if reader.state == "failed" and reader.error is not None:
        return " ".join(part for part in words(reader.error.model_dump()) if part)
    if reader.state == "lost":
        process = reader.status.process
        return tr(CAUSES[reader.reason], host=process.host if process else "")
    return ""


@runtime_checkable
class Reports(Protocol):
    """What shows errors: a tab, or the window."""

    def report(self, error: EngineError) -> None:
        """Show an error in the notices."""


def report(widget: QWidget, error: EngineError) -> None:
    """Show an error in the notices of the window that a widget stands in."""
    place: QWidget | None = widget
    while place is not None and not isinstance(place, Reports):
        place = place.parentWidget()
    if place is not None:
        place.report(error)


class Reporter(QObject):
    """Takes errors and notices and tells whoever shows them.

    Signals:
        noticed: a Notice to be shown.
    """

    noticed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.history: deque[Notice] = deque(maxlen=HISTORY)

    def error(
        self,
        error: BaseException | Mapping[str, Any],
        details: Callable[[], object] | None = None,
        level: Level = "bad",
    ) -> Notice:
        """Show an error: one of ours, the record of a failed run, or one that nobody foresaw."""
        if isinstance(error, EngineError | Mapping):
            what, why, remedy = words(error)
            technical = str(error.get("traceback") or "") if isinstance(error, Mapping) else _trace(error)
        else:
            what = tr("Something unexpected happened: {kind}.", kind=type(error).__name__)
            why = str(error)[:300]
            remedy = tr("Your work is kept. If it happens again, report it with the log.")
            technical = _trace(error)
            log.error("unexpected: %s", technical)
        return self._tell(Notice(level, what, why, remedy, details, technical))

    def tell(self, level: Level, template: str, details: Callable[[], object] | None = None, **params: Any) -> Notice:
        """Show a notice: English template and its values."""
        return self._tell(Notice(level, tr(template, **params), details=details))

    def _tell(self, notice: Notice) -> Notice:
        self.history.append(notice)
        self.noticed.emit(notice)
        return notice


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
