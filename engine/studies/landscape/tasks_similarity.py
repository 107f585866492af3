"""The task landscape.similarity: how alike networks are in what they make of inputs, in weights and in answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from engine.errors import EngineError
from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.landscape import cost
from engine.studies.landscape.config import SimilarityConfig
from engine.studies.landscape.distances import function_distances, off_diagonal_mean, weight_distances
from engine.studies.landscape.kinds import SimilarityReport
from engine.studies.landscape.representations import feature_layers, layer_features, mixed_inputs, network_outputs
from engine.studies.landscape.setting import Setting, require_alike
from engine.studies.landscape.similarity import Similarity, cka

MOST_LAYERS = 40
BATCH = 128  # inputs a batch, as in Yang et al. 2021
FEATURE_BYTES = 256 << 20  # of the layers' outputs that are held at once
FEWEST = 64  # inputs for layers, however wide these are


class NeedsTwo(EngineError):
    """Raised where a comparison has one side only."""

    what = "Similarity needs two networks at least."
    why = "Only {count} was given."
    remedy = "Choose another run's model as well, or train with more networks."


class Similar:
    """Task landscape.similarity."""

    Config = SimilarityConfig

    def estimate(self, config: SimilarityConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """A few forward passes."""
        return cost.estimate(
            4 * max(2, len(config.models)), config.samples, False, False, (upstream or {}).get("models")
        )

    def run(self, config: SimilarityConfig, run: Run) -> None:
        """Everything, in a second or so."""
        if len(config.models) < 2:
            raise NeedsTwo(count=len(config.models))
        settings = []
        for index, ref in enumerate(config.models):
            settings.append(Setting(run, ref, config.samples, test=False))
            settings[-1].warn_if_untrained()
            run.progress(index + 1, 2 * len(config.models), "networks")
            run.point()
        require_alike(settings)
        plain = settings[0].splits["train"][0]
        mixed = list(mixed_inputs(plain, config.seed, batch_size=BATCH)) if config.mixup else list(plain.split(BATCH))
        logits = [network_outputs(s.model.outputs, s.model.params, mixed, "logits") for s in settings]
        run.point()
        found = cka(_representations(config, settings, logits, mixed), debiased=config.debiased)
        _warn(run, found)
        names, layers = _layers(settings[:2], mixed, config.debiased)
        run.progress(2 * len(settings), 2 * len(settings))
        distance = weight_distances([s.weights for s in settings])
        apart = (
            100 * function_distances(logits).disagreement
            if settings[0].model.classes
            else np.full_like(distance, np.nan)
        )
        _tell(run, config, found.values, distance, apart)
        titles = tuple(
            f"{ref.run} (seed {s.model.artifact.seed})" for ref, s in zip(config.models, settings, strict=True)
        )
        report = SimilarityReport(
            networks=titles, cka=found.values, weight_distance=distance, disagreement=apart, layers_first=names[0],
            layers_second=names[1], layer_cka=layers, read=config.read, debiased=config.debiased, mixup=config.mixup,
            inputs=len(logits[0]),
        )  # fmt: skip
        run.publish("similarity", report, complete=True)


def _representations(
    config: SimilarityConfig, settings: list[Setting], logits: list[Tensor], mixed: list[Tensor]
) -> list[Tensor]:
    if config.read == "logits":
        return logits
    if config.read == "softmax":
        return [part.softmax(1) for part in logits] if settings[0].model.classes else logits
    return [_features(setting, mixed, _inner_layers(setting)[-1:])[0] for setting in settings]


def _inner_layers(setting: Setting) -> list[str]:
    """Innermost layers but the last, which gives the logits; at most MOST_LAYERS of them, evenly taken."""
    names = feature_layers(setting.model.module)
    names = names[:-1] or names
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST_LAYERS)).round().astype(int))
    return [names[index] for index in chosen]


def _features(setting: Setting, inputs: list[Tensor], layers: list[str]) -> list[Tensor]:
    """(n, d) outputs of each layer over all batches."""
    weights = {**setting.model.buffers, **setting.model.params}
    parts = [layer_features(setting.model.module, weights, batch, layers) for batch in inputs]
    return [torch.cat(found) for found in zip(*parts, strict=True)]


def _layers(
    pair: list[Setting], inputs: list[Tensor], debiased: bool
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], np.ndarray]:
    """Names of the layers of two networks, and CKA of each with each, on as many inputs as memory holds."""
    names = [_inner_layers(setting) for setting in pair]
    widths = [sum(part.shape[1] for part in _features(s, [inputs[0][:1]], n)) for s, n in zip(pair, names, strict=True)]
    most = max(FEWEST, FEATURE_BYTES // (4 * sum(widths)))
    kept, count = [], 0
    for batch in inputs:
        kept.append(batch[: max(0, most - count)])
        count += len(batch)
        if count >= most:
            break
    first, second = (_features(setting, kept, layers) for setting, layers in zip(pair, names, strict=True))
    return (tuple(names[0]), tuple(names[1])), cka(first, second, debiased=debiased).values


def _warn(run: Run, found: Similarity) -> None:
    for index, reason in found.reasons_first.items():
        run.warn("CKA with network {index} is undefined: {reason}", index=index + 1, reason=reason)


def _tell(run: Run, config: SimilarityConfig, values: np.ndarray, distance: np.ndarray, apart: np.ndarray) -> None:
    pairs = len(values) * (len(values) - 1)
    run.measure("cka", off_diagonal_mean(values), n=pairs, of=config.read)
    run.measure("weight_distance", off_diagonal_mean(distance), n=pairs)
    if np.isfinite(apart).any():
        run.measure("disagreement", off_diagonal_mean(apart), n=pairs)
