"""Files of the user's as network or data; code is shown, and its user asked, before any of it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QWidget

from app.tabs.landscape.model import preset
from app.widgets.consent import ConsentDialog, SourceFile
from engine.data.config import FileData, ModelFileData
from engine.models.config import UserModel
from engine.models.consent import consented, grant
from engine.models.freeze import Source, survey
from engine.studies.landscape.config import LandscapeConfig


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


def confirmed(config: LandscapeConfig, sha256: str) -> LandscapeConfig:
    """The config with the hash of the code that the user has agreed to."""
    assert config.train is not None
    model = config.train.model.model_copy(update={"sha256": sha256})
    return config.model_copy(update={"train": config.train.model_copy(update={"model": model})})


def with_data(config: LandscapeConfig, path: Path) -> LandscapeConfig:
    """The config with a table or an archive as its data; training is switched on."""
    return _retrained(config, {"data": FileData(path=str(path))})


def with_model(config: LandscapeConfig, path: Path, sha256: str) -> LandscapeConfig:
    """The config with a model file as its network, and as its data where it brings some; training is switched on."""
    update: dict[str, Any] = {"model": UserModel(path=str(path), sha256=sha256)}
    if "def data(" in path.read_text(encoding="utf-8", errors="replace"):
        update["data"] = ModelFileData()
    return _retrained(config, update)


def _retrained(config: LandscapeConfig, update: dict[str, Any]) -> LandscapeConfig:
    train = config.train or preset("quick").train
    assert train is not None
    return config.model_copy(update={"train": train.model_copy(update=update)})


def _file(source: Source, name: str) -> SourceFile:
    data = (source.folder / name).read_bytes()
    return SourceFile(name, hashlib.sha256(data).hexdigest(), data.decode("utf-8", "replace"))
