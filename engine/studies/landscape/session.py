"""Evaluates a network wherever the cursor stands on its plane, from a process that holds both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.artifacts import versions
from engine.artifacts.refs import ArtifactRef
from engine.sessions.service import Context, method

WORST = 5


class Cursor:
    """Service "landscape.cursor".

    Spec: ``root`` (the runs' folder), ``model`` and ``directions`` (references), ``examples`` (limit, 0 for none).
    """

    device = "cpu"

    def __init__(self, spec: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        import torch

        from engine.models.load import load
        from engine.studies.landscape.surface import LossSurface

        torch.set_num_threads(1)  # an answer takes a millisecond; threads would only get in each other's way
        root = Path(spec["root"])
        self.model = load(versions.read(root, ArtifactRef.model_validate(spec["model"])))
        directions = versions.read(root, ArtifactRef.model_validate(spec["directions"]))
        limit = spec.get("examples") or None
        splits = {name: self.model.batch(name, limit) for name in ("train", "test")}
        origin = None if directions.origin is None else torch.from_numpy(np.array(directions.origin))
        loss = None if self.model.loss_name == "cross_entropy" else self.model.loss_from_outputs
        vectors = torch.from_numpy(np.array(directions.vectors))
        self.surface = LossSurface(self.model.module, vectors, splits, origin=origin, loss=loss)

    @method
    def point(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """``place`` (k coordinates) and ``split`` -> loss and accuracy (percent or NaN) of both splits, and the worst
        examples of the split: their inputs (w, ...), losses (w,), targets and answers as words."""
        place, split = np.asarray(params["place"], dtype=float), params.get("split", "train")
        values = self.surface.values(place[None])
        reading = self.surface.at(place, split, worst=WORST)
        inputs, targets = self.surface.splits[split]
        answers = self._answers(place, inputs[reading.worst.copy()])
        return {
            "place": place.tolist(),
            "split": split,
            "loss": {name: float(value[0]) for name, value in values.loss.items()},
            "accuracy": {name: 100.0 * float(value[0]) for name, value in values.accuracy.items()},
            "worst": {
                "inputs": inputs[reading.worst.copy()].numpy(),
                "losses": reading.losses[reading.worst],
                "targets": [self._word(value) for value in targets[reading.worst.copy()].numpy()],
                "answers": answers,
            },
        }

    def _answers(self, place: NDArray[Any], inputs: Any) -> list[str]:
        import torch

        from engine.studies.landscape.weights import borrowed

        with torch.no_grad(), borrowed(self.model.module) as flat:
            flat.copy_(self.surface.plane.weights(torch.as_tensor(place[None]).to(flat))[0])
            outputs = self.model.module(inputs)
        found = outputs.argmax(1) if self.model.classes else outputs.reshape(len(outputs), -1)[:, 0]
        return [self._word(value) for value in found.numpy()]

    def _word(self, value: Any) -> str:
        return str(self.model.classes[int(value)]) if self.model.classes else f"{float(value):.4g}"


SERVICES = {"landscape.cursor": Cursor}
