"""The task landscape.hessian: spectrum of the curvature at a network, sharpening probe by probe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.artifacts.refs import ArtifactRef
from engine.models.order import require_order
from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.landscape import cost
from engine.studies.landscape.config import HessianConfig
from engine.studies.landscape.kinds import SpectrumReport
from engine.studies.landscape.lanczos import Eigenpairs, eigenpairs
from engine.studies.landscape.products import CurvatureOperator, GaussNewtonOperator, HessianOperator, batch_size_for
from engine.studies.landscape.setting import Setting
from engine.studies.landscape.spectrum import Spectrum, density_grid, estimate_spectrum

TELL_SECONDS = 0.5
BUDGET = 256 << 20  # bytes of one batch's double-backward graph


class Hessian:
    """Task landscape.hessian."""

    Config = HessianConfig

    def estimate(self, config: HessianConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """A product costs about six forward passes; a measurement 100 to 300 products."""
        products = 100 + 2 * config.top + config.probes * config.steps
        return cost.estimate(6 * products, config.examples, False, False, (upstream or {}).get("model"))

    def run(self, config: HessianConfig, run: Run) -> None:
        """The last version of the network, or each that was kept, one a unit."""
        assert config.model is not None
        refs = run.history(config.model) if config.history else [config.model]
        history: list[tuple[float, float, float]] = []
        if (state := run.restored()) is not None:
            history = [(row[0], row[1], row[2]) for row in state["history"].tolist()]
        for unit in run.units([f"version {ref.version}" if ref.version else "model" for ref in refs]):
            last = unit.index == len(refs) - 1
            measured = Measuring(config, run, refs[unit.index])
            found = measured.measure(len(refs) - 1 - unit.index, len(refs), tell=last, history=history)
            step = measured.step
            history.append((step, float(found.lead.values[0]), found.trace()[0]))
            if config.history:
                run.measure("lambda_max", history[-1][1], step=step, matrix=config.matrix)
                run.measure("curvature_trace", history[-1][2], step=step, matrix=config.matrix)
            if last:
                measured.tell(found, history, complete=True)
            else:
                run.checkpoint({"history": np.array(history)})


class Measuring:
    """One network's spectrum."""

    def __init__(self, config: HessianConfig, run: Run, ref: ArtifactRef) -> None:
        self.config, self.task = config, run
        self.setting = Setting(run, ref, config.examples, test=False)
        self.pairs: Eigenpairs | None = None
        self.step = float(self.setting.model.artifact.summary.get("updates", 0))

    def operator(self) -> CurvatureOperator:
        """The curvature matrix, its graph no larger than a budget, after a proof that its derivatives are right."""
        model, (x, y) = self.setting.model, self.setting.splits["train"]
        require_order(model, 2, (x, y))
        size = batch_size_for(model.loss, model.params, (x, y), budget=BUDGET)
        batches = self.setting.batches(size)
        if self.config.matrix == "ggn":
            made: CurvatureOperator = GaussNewtonOperator(
                model.outputs, model.params, batches, criterion=self.setting.criterion
            )
        else:
            made = HessianOperator(model.loss, model.params, batches)
        made.tick = self.task.point
        return made

    def measure(self, left: int, of: int, tell: bool, history: list[tuple[float, float, float]]) -> Spectrum:
        """Sharpen until the trace is known well enough; publish on the way when ``tell``."""
        self.setting.warn_if_untrained()
        config, spectrum, told = self.config, None, 0.0
        with self.setting.note_modes():
            operator = self.operator()
            results = estimate_spectrum(
                operator,
                largest=config.top,
                smallest=1,
                density_probes=config.probes,
                density_steps=config.steps,
                trace_tolerance=config.trace_tolerance,
                lead_steps=(20, max(100, 4 * config.top)),
                seed=config.seed,
            )
            for spectrum in results:
                share = min(0.95, len(spectrum.probes) / max(5, config.probes + 1))
                self.task.progress(of - 1 - left + share, of, f"{spectrum.products} products")
                if tell and spectrum.probes and time.monotonic() - told > TELL_SECONDS:
                    self.tell(spectrum, history, complete=False)
                    told = time.monotonic()
            if config.copies and tell:
                self.task.progress(of - 1 - left + 0.95, of, "multiplicities")
                for self.pairs in eigenpairs(operator, config.top, 1, seed=config.seed):
                    self.task.point()
        assert spectrum is not None
        return spectrum

    def tell(self, spectrum: Spectrum, history: list[tuple[float, float, float]], complete: bool) -> None:
        """Measures and the spectrum as they stand."""
        lead, run = spectrum.lead, self.task
        dims: dict[str, Any] = {"matrix": self.config.matrix}
        for name, index in (("lambda_max", 0), ("lambda_min", -1)):
            value, bound = float(lead.values[index]), float(lead.residuals[index])
            run.measure(name, value, interval=(value - bound, value + bound), **dims)
        trace, interval = spectrum.trace()
        run.measure("curvature_trace", trace, interval=interval, n=len(spectrum.probes), **dims)
        mass, between = spectrum.negative_mass()
        percent = None if between is None else (100 * between[0], 100 * between[1])
        run.measure("negative_mass", 100 * mass, interval=percent, n=len(spectrum.probes), **dims)
        layers = spectrum.layer_traces()
        for layer, (value, bounds) in layers.items():
            run.measure("layer_trace", value, interval=bounds, layer=layer, **dims)
        grid, sigma = density_grid(spectrum)
        density, low, high = spectrum.density(grid, sigma)
        found = (lead.values[lead.known], lead.residuals[lead.known])
        if self.pairs is not None:
            found = (self.pairs.values[self.pairs.converged], self.pairs.residuals[self.pairs.converged])
        report = SpectrumReport(
            values=found[0],
            residuals=found[1],
            grid=grid, density=density, low=low, high=high,
            layers=tuple(layers), layer_traces=np.array([value for value, _ in layers.values()]),
            history=np.array(history).reshape(-1, 3), sigma=sigma, products=spectrum.products, size=lead.size,
            matrix=self.config.matrix, examples=len(self.setting.splits["train"][0]),
            copies=self.pairs is not None,
        )  # fmt: skip
        run.publish("spectrum", report, complete=complete)
