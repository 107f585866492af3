"""What a network would be on given data: its layers, without training it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.data.load import load
from engine.models.create import as_tensors, check_fit, choose_loss, create, open_source, own_data
from engine.models.inspect import layers
from engine.models.kinds import DATA, MODELS


def describe(model: Mapping[str, Any], data: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Layers and sizes of the network of a model config on the data of a data config.

    Returns:
        layers (see engine.models.inspect.Layer, as dicts), parameters, trainable, input_shape, outputs, loss, rows.

    Raises:
        ModelError, DataError: what training would raise at its start.
    """
    network, source = MODELS.validate_python(model), DATA.validate_python(data)
    with tempfile.TemporaryDirectory(prefix="theodolite-") as folder:
        user = open_source(network, Path(folder))
        dataset = load(source, own_data(source, user))
        classes = len(dataset.classes)
        module = create(network, dataset.shape, classes or 1, seed, user)
        name, loss = choose_loss(classes, user)
        check_fit(module, loss, name, dataset, "cpu", user)
        dtype = next(p.dtype for p in module.parameters() if p.is_floating_point())
        table = layers(module, as_tensors(dataset.x_train[:1], dataset.y_train[:1], "cpu", dtype)[0])
    return {
        "layers": [asdict(layer) for layer in table],
        "parameters": sum(p.numel() for p in module.parameters()),
        "trainable": sum(p.numel() for p in module.parameters() if p.requires_grad),
        "input_shape": list(dataset.shape),
        "outputs": classes or 1,
        "loss": name,
        "rows": len(dataset.x_train),
    }
