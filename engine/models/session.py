"""Session services of models: what a network is, before anything is trained with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.sessions.service import Context, method


class Preview:
    """Builds networks and reads data on request; holds nothing between calls."""

    def __init__(self, spec: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        self.device = "cpu"

    @method
    def survey(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """What a person consents to: ``{"path": model file}`` gives the files that it would run, their hash, whether
        that is confirmed already. Nothing is executed."""
        from pathlib import Path

        from engine.models.consent import consented
        from engine.models.freeze import survey

        source = survey(Path(params["path"]))
        files = [str(source.folder / name) for name in source.files]
        return {"files": files, "sha256": source.sha256, "consented": consented(source.sha256)}

    @method
    def layers(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """``{"model": model config, "data": data config, "seed"}`` gives the layers, their parameters and shapes.

        Raises:
            ModelError, DataError: what training would raise at its start. ConsentMissing for code not confirmed.
        """
        from engine.models.preview import describe

        return describe(params["model"], params["data"], params.get("seed", 0))

    @method
    def data(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """``{"data": data config}`` gives the facts of engine.data.preview."""
        from engine.data.preview import preview
        from engine.models.kinds import DATA

        return preview(DATA.validate_python(params["data"]))


SERVICES = {"models.preview": Preview}
