"""The model artifact: weights, how to build the network, its data and loss; read with numpy only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from engine.data.config import DataConfig
from engine.models.config import AnyModelConfig
from engine.models.errors import BadModelFolder

MODELS: TypeAdapter[Any] = TypeAdapter(AnyModelConfig)
DATA: TypeAdapter[Any] = TypeAdapter(DataConfig)


@dataclass(frozen=True)
class ModelArtifact:
    """A complete model.

    Attributes:
        weights: name -> array of every parameter and buffer. model: how to build it. data: what it belongs to.
        identity: of that data (engine.data.dataset.Identity as a dict). loss: "cross_entropy", "mse" or "user".
        input_shape: of one example. outputs: classes, or numbers to predict. classes: names, or empty.
        seed: of the run. summary: measure id -> value when it was published. source: folder of the frozen code.
        differentiable_order: how often torch may differentiate it; see engine.models.order for the check.
    """

    weights: Mapping[str, np.ndarray]
    model: AnyModelConfig
    data: DataConfig | None
    identity: Mapping[str, Any] | None
    loss: str
    input_shape: tuple[int, ...]
    outputs: int
    classes: tuple[str, ...] = ()
    seed: int = 0
    summary: Mapping[str, float] = field(default_factory=dict)
    source: Path | None = None
    differentiable_order: int = 2


class ModelKind:
    """weights.safetensors, model.json, and source/ for a user's own network."""

    name = "model"
    title = "Model"
    schema_version = 1

    def write(self, value: ModelArtifact, folder: Path) -> None:
        """Write the model; every array keeps its type."""
        from safetensors.numpy import save_file

        save_file(
            {name: np.asarray(array, order="C") for name, array in value.weights.items()},
            folder / "weights.safetensors",
        )
        facts = {
            "model": value.model.model_dump(mode="json"),
            "data": value.data.model_dump(mode="json") if value.data else None,
            "identity": dict(value.identity) if value.identity else None,
            "loss": value.loss,
            "input_shape": list(value.input_shape),
            "outputs": value.outputs,
            "classes": list(value.classes),
            "seed": value.seed,
            "summary": dict(value.summary),
            "differentiable_order": value.differentiable_order,
        }
        (folder / "model.json").write_text(json.dumps(facts, indent=1), "utf-8")
        if value.source is not None:
            shutil.copytree(value.source, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))

    def read(self, folder: Path) -> ModelArtifact:
        """Read the model; settings that this version does not know are left out.

        Raises:
            BadModelFolder: a file is missing or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            facts = json.loads((folder / "model.json").read_text("utf-8"))
            weights = load_file(folder / "weights.safetensors")
            return ModelArtifact(
                weights=weights,
                model=MODELS.validate_python(facts["model"], extra="ignore"),
                data=DATA.validate_python(facts["data"], extra="ignore") if facts["data"] else None,
                identity=facts["identity"],
                loss=facts["loss"],
                input_shape=tuple(facts["input_shape"]),
                outputs=facts["outputs"],
                classes=tuple(facts["classes"]),
                seed=facts["seed"],
                summary=facts["summary"],
                source=folder / "source" if (folder / "source").is_dir() else None,
                differentiable_order=facts["differentiable_order"],
            )
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, ValidationError) as error:
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise BadModelFolder(path=folder, reason=reason) from error

    def describe(self, value: ModelArtifact) -> dict[str, str | int | float]:
        """Network, data, size, and how good it was."""
        name = value.model.builder if value.model.builder != "user" else Path(value.model.path).name
        facts: dict[str, str | int | float] = {"network": name, "loss": value.loss}
        if value.identity:
            facts["data"] = str(value.identity["name"])
        facts["numbers"] = int(sum(array.size for array in value.weights.values()))
        return facts | {key: value.summary[key] for key in ("train_loss", "test_accuracy") if key in value.summary}


KINDS = (ModelKind(),)
