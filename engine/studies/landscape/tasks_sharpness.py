"""The task landscape.sharpness: how much the loss rises near a network, in four definitions of near."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.landscape import cost
from engine.studies.landscape.config import SharpnessConfig
from engine.studies.landscape.setting import CHUNK, Setting
from engine.studies.landscape.sharpness import Sharpness, ball_sharpness, epsilon_sharpness, m_sharpness

REPEATS = 4


class Sharp:
    """Task landscape.sharpness."""

    Config = SharpnessConfig

    def estimate(self, config: SharpnessConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """About sixty gradients and all the random steps."""
        passes = 3 * 70 + REPEATS * config.directions
        return cost.estimate(passes, config.examples, False, False, (upstream or {}).get("model"))

    def run(self, config: SharpnessConfig, run: Run) -> None:
        """One definition a unit."""
        assert config.model is not None
        setting = Setting(run, config.model, config.examples, test=False)
        setting.warn_if_untrained()
        parts = _parts(config, setting, run)
        samples: dict[str, list[float]] = {}
        if (state := run.restored()) is not None:
            samples = {name: list(values) for name, values in state["samples"].items()}
        with setting.note_modes():
            for unit in run.units(list(parts)):
                for name, found in parts[unit.label]().items():
                    run.measure(name, found.value, interval=found.interval, n=len(found.samples))
                    samples[name] = found.samples.tolist()
                run.progress(unit.index + 1, len(parts), unit.label)
                run.checkpoint({"samples": {name: np.array(values) for name, values in samples.items()}})
        names = [name for name, values in samples.items() for _ in values]
        table = {"measure": np.array(names), "value": np.array([v for values in samples.values() for v in values])}
        run.publish("samples", table, complete=True)


def _parts(config: SharpnessConfig, setting: Setting, run: Run) -> dict[str, Callable[[], dict[str, Sharpness]]]:
    """Label -> what computes its measures."""
    loss, params = setting.model.loss, setting.model.params
    whole, small = setting.batches(CHUNK), setting.batches(config.batch_size)

    def ball() -> dict[str, Sharpness]:
        mean, most = ball_sharpness(
            loss, params, whole, radius=config.radius, directions=config.directions, repeats=REPEATS,
            seed=config.seed, tick=run.point,
        )  # fmt: skip
        return {"ball_mean": mean, "ball_max": most}

    return {
        "box": lambda: {
            "epsilon_sharpness": epsilon_sharpness(
                loss, params, whole, epsilon=config.epsilon, seed=config.seed, tick=run.point
            )
        },
        "SAM": lambda: {"sam_sharpness": m_sharpness(loss, params, small, rho=config.rho, tick=run.point)},
        "ASAM": lambda: {
            "asam_sharpness": m_sharpness(loss, params, small, rho=config.rho_adaptive, adaptive=True, tick=run.point)
        },
        "random steps": ball,
    }
