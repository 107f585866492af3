"""A model file of the user's: shows its code and asks, then looks into it through a session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QWidget

from app.widgets.consent import ConsentDialog, SourceFile
from engine.models.consent import consented, grant
from engine.models.freeze import Source, survey


def ask_consent(path: Path, parent: QWidget, then: Callable[[Source], None]) -> ConsentDialog | None:
    """Call ``then`` once the user has agreed to run the code of ``path``; at once if that was settled before.

    Raises:
        EngineError: the file is missing, too large or no Python.
    """
    source = survey(path)
    if consented(source.sha256):
        then(source)
        return None

    def decided(agreed: bool) -> None:
        if agreed:
            grant(source.sha256, str(path))
            then(source)

    names = sorted(source.files, key=lambda name: name != source.entry)
    dialog = ConsentDialog([_file(source, name) for name in names], parent)
    dialog.decided.connect(decided)
    dialog.open()
    return dialog


def _file(source: Source, name: str) -> SourceFile:
    data = (source.folder / name).read_bytes()
    return SourceFile(name, hashlib.sha256(data).hexdigest(), data.decode("utf-8", "replace"))
