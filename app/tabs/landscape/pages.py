"""The pages Hessian, Connectivity and Similarity: what the later stages of the study found, as pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.shell.text import short, tr
from app.tabs.landscape.model import LandscapeModel
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import Axis, BarPlot, HeatMap, LinePlot, ScatterPlot

MARKED = 5  # eigenvalues with a line of their own
FLOOR = 1e-5  # of the largest density; below it lies only the broadening's own tail


class HessianPage(CardGrid):
    """Density of the spectrum, layers, the course over training."""

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self.density = LinePlot("Spectral density", x=Axis("λ"), y=Axis("density", log=True))
        self.values = ScatterPlot("Eigenvalues", x=Axis("rank"), y=Axis("λ"))
        self.layers = BarPlot("Layers", y=Axis("trace"))
        self.course = LinePlot("During training", x=Axis("step"), y=Axis("λ max", log=True))
        self.density_card = self.add(
            Card(
                "Spectral density",
                empty="How many directions are curved how strongly appears here: tick Hessian spectrum and run.",
            )
        )
        self.values_card = self.add(
            Card("Eigenvalues", empty="The largest eigenvalues appear here, each with its error.")
        )
        self.layers_card = self.add(
            Card("Layers", "trace of each layer's block", "Which layer holds the curvature appears here.")
        )
        self.course_card = self.add(
            Card("During training", empty="Tick During training (Advanced) to follow the curvature.")
        )
        pairs = ((self.density_card, self.density), (self.values_card, self.values))
        for card, body in (*pairs, (self.layers_card, self.layers), (self.course_card, self.course)):
            card.set_body(body)

    def clear(self) -> None:
        """Take the old pictures away."""
        for plot in (self.density, self.values, self.layers, self.course):
            plot.clear()

    def show_model(self, model: LandscapeModel) -> None:
        """Draw what is known of the spectrum."""
        report = model.spectrum
        if report is None:
            return
        name = {"hessian": tr("Hessian"), "ggn": tr("Gauss-Newton")}[report.matrix]
        floor = float(np.nanmax(report.density)) * FLOOR
        density = np.where(report.density > floor, report.density, np.nan)
        shown = np.isfinite(density)
        low, high = (np.where(shown, np.maximum(end, floor), np.nan) for end in (report.low, report.high))
        band = (low, high) if np.isfinite(low).any() else None
        self.density.set_series(name, report.grid, density, band=band)
        self.density.set_marks(list(report.values[:MARKED]), tr("largest eigenvalues"))
        words = {"matrix": name, "products": report.products, "examples": report.examples}
        self.density_card.set_caption("{matrix}, Lanczos quadrature, {products} products, {examples} examples", **words)
        ranks = np.arange(1, len(report.values) + 1)
        errors = [tr("error below {value}", value=short(float(r), 2)) for r in report.residuals]
        self.values.set_points(name, ranks, report.values, labels=errors)
        self.values_card.set_caption(
            "those that converged, equal ones as often as they occur; hover for the error"
            if report.copies
            else "those that converged, equal ones once: Multiplicities is off; hover for the error"
        )
        if len(report.layers):
            self.layers.set_bars(list(report.layers), report.layer_traces)
        if len(report.history) > 1:
            steps, largest, trace = np.array(report.history).T
            self.course.set_series("λ max", steps, largest, points=True)
            self.course.set_series("tr H", steps, trace, points=True)
            self.course_card.set_caption("at every version of the network that training kept")


class ConnectPage(CardGrid):
    """Loss and error along the curve, and how the curve was trained."""

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        self.loss = LinePlot("Loss along the curve", x=Axis("t"), y=Axis("L", "nat"))
        self.error = LinePlot("Error along the curve", x=Axis("t"), y=Axis("error", "%"))
        self.training = LinePlot("Training of the curve", x=Axis("block of steps"), y=Axis("L", "nat", log=True))
        self.plane = HeatMap(
            "Plane of the curve",
            x=Axis("along the ends"),
            y=Axis("across"),
            value=Axis("L", "nat"),
            log=True,
        )
        self.loss_card = self.add(
            Card("Loss along the curve", empty="Tick Mode connectivity and run: two networks are joined by a curve.")
        )
        self.error_card = self.add(Card("Error along the curve", empty="Wrong answers along the curve appear here."))
        self.training_card = self.add(
            Card("Training of the curve", empty="The loss on the curve while its bend is trained appears here.")
        )
        self.plane_card = self.add(
            Card("Plane of the curve", empty="The loss on the plane through both ends and the bend appears here.")
        )
        pairs = ((self.loss_card, self.loss), (self.error_card, self.error))
        for card, body in (*pairs, (self.training_card, self.training), (self.plane_card, self.plane)):
            card.set_body(body)

    def clear(self) -> None:
        """Take the old pictures away."""
        for plot in (self.loss, self.error, self.training, self.plane):
            plot.clear()

    def show_model(self, model: LandscapeModel) -> None:
        """Draw the curve."""
        report = model.curve
        if report is None:
            return
        curve = {"bezier": tr("Bézier curve"), "chain": tr("chain"), "linear": tr("straight line")}[report.form]
        for plot, what in ((self.loss, "loss"), (self.error, "error")):
            train, test = getattr(report, f"train_{what}"), getattr(report, f"test_{what}")
            if np.isfinite(train).any():
                plot.set_series(tr("{curve}, training", curve=curve), report.times, train)
                plot.set_series(tr("{curve}, test", curve=curve), report.times, test)
                if report.form != "linear":
                    plot.set_series(tr("straight line, training"), report.times, getattr(report, f"linear_{what}"))
        told = "converged" if report.converged else "not converged: the barrier is an upper bound"
        self.loss_card.set_caption(told)
        self.error_card.set_caption("share of wrong answers")
        if len(report.losses):
            self.training.set_series(tr("mean batch loss"), report.steps, report.losses)
            self.training_card.set_caption(told)
        if report.plane_loss.size:
            self.plane.set_field(report.plane_x, report.plane_y, report.plane_loss)
            self.plane.set_path(report.path)
            self.plane_card.set_caption(
                "training loss on the plane through both ends and the bend; Euclidean distances"
            )


class SimilarityPage(CardGrid):
    """Run by run and layer by layer."""

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=300)
        self.runs = HeatMap(
            "Networks",
            x=Axis("network"),
            y=Axis("network"),
            value=Axis("CKA"),
            contour_count=0,
            smooth=False,
        )
        self.layers = HeatMap(
            "Layers", x=Axis("layer"), y=Axis("layer"), value=Axis("CKA"), contour_count=0, smooth=False
        )
        self.runs_card = self.add(
            Card("Networks", empty="Tick Similarity and run: several networks are compared with each other.")
        )
        self.layers_card = self.add(
            Card("Layers", empty="Layers of the first network against those of the second appear here.")
        )
        self.runs_card.set_body(self.runs)
        self.layers_card.set_body(self.layers)

    def clear(self) -> None:
        """Take the old pictures away."""
        self.runs.clear()
        self.layers.clear()

    def show_model(self, model: LandscapeModel) -> None:
        """Draw the matrices."""
        report = model.similarity
        if report is None:
            return
        for plot, matrix, across, up in (
            (self.runs, report.cka, report.networks, report.networks),
            (self.layers, report.layer_cka, report.layers_second, report.layers_first),
        ):
            plot.set_axes(replace(plot.axes[0], names=across), replace(plot.axes[1], names=up))
            plot.set_levels(0.0, 1.0)
            plot.set_field(np.arange(1, matrix.shape[1] + 1), np.arange(1, matrix.shape[0] + 1), matrix)
        read = {"softmax": tr("class probabilities"), "logits": tr("logits"), "features": tr("last features")}[
            report.read
        ]
        inputs = tr("mixed inputs") if report.mixup else tr("plain inputs")
        estimator = tr("debiased") if report.debiased else tr("biased")
        words = {"read": read, "count": report.inputs, "inputs": inputs, "estimator": estimator}
        self.runs_card.set_caption("{read}, {count} {inputs}, {estimator} CKA", **words)
        self.layers_card.set_caption("layers of the first network up, of the second across")
