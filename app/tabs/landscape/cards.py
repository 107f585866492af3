"""The pictures of the Plane page: the plane, the same as a surface, slices through it, training."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Signal

from app.shell.text import tr
from app.shell.theme import tokens
from app.tabs.landscape.model import LandscapeModel
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import Axis, HeatMap, LinePlot
from app.widgets.plot.colours import lut
from app.widgets.scene3d import Scene3D

TITLES = {
    "train_loss": ("Training loss", "nat"),
    "test_loss": ("Test loss", "nat"),
    "train_accuracy": ("Training accuracy", "%"),
    "test_accuracy": ("Test accuracy", "%"),
}
SHORT = {
    "train_loss": "Train loss",
    "test_loss": "Test loss",
    "train_accuracy": "Train acc.",
    "test_accuracy": "Test acc.",
}
CURVES = {"train_loss": "training", "test_loss": "test"}


class PlaneCards(QObject):
    """The cards of the Plane page.

    Signals:
        moved: the cursor was put at (alpha, beta).
    """

    moved = Signal(float, float)

    def __init__(self, grid: CardGrid, model: LandscapeModel) -> None:
        super().__init__(grid)
        self.model = model
        self.heat = HeatMap("Loss plane", x=Axis("α"), y=Axis("β"), value=Axis("L", "nat"), log=True, cursor=True)
        self.heat.moved.connect(self.moved)
        self.scene = Scene3D()
        self.slice = LinePlot("Slices", x=Axis("α, β"), y=Axis("L", "nat"))
        self.training = LinePlot("Training", x=Axis("step"), y=Axis("L", "nat", log=True))
        self.plane_card = grid.add(
            Card("Loss plane", empty="The loss around the trained network appears here, coarse at first.")
        )
        self.surface_card = grid.add(
            Card("Surface", "drag to turn · wheel to zoom", "The plane as a surface appears here.")
        )
        self.slice_card = grid.add(Card("Slices", empty="Cuts through the plane at the cursor appear here."))
        self.training_card = grid.add(Card("Training", empty="Loss on all training and test examples appears here."))
        pairs = (
            (self.plane_card, self.heat),
            (self.surface_card, self.scene),
            (self.slice_card, self.slice),
            (self.training_card, self.training),
        )
        for card, body in pairs:
            card.set_body(body)
        self.surface_card.show_empty()
        self.plane_card.add_action("Put the cursor on the model", lambda: self.moved.emit(0.0, 0.0), "reset")

    def show_waiting(self) -> None:
        """New runs were started: take the old pictures away."""
        for plot in (self.heat, self.slice, self.training):
            plot.clear()
        self.surface_card.show_empty()

    def show_training(self) -> None:
        """Draw the curves that the training has recorded so far."""
        if not self.model.curves:
            return
        for name, label in CURVES.items():
            if name in self.model.curves:
                steps, values = self.model.curves[name].T[:2]
                self.training.set_series(tr(label), steps, values)
        self.training_card.set_caption("mean loss on all examples")

    def show_plane(self) -> None:
        """Draw the plane and everything on it."""
        picture = self.model.picture()
        if picture is None:
            return
        alpha, beta, values = picture
        title, unit = TITLES[self.model.field]
        logarithmic = self.model.log and self.model.field.endswith("loss")
        self.heat.value_axis = Axis(title, unit)
        self.heat.set_log(logarithmic)
        self.heat.set_field(alpha, beta, values)
        path = self.model.plane.path if self.model.plane else None
        self.heat.set_path(None if path is None else path.points)
        self.heat.set_star(*(0.0, 0.0) if not (self.model.plane and self.model.plane.marks) else (None,))
        self.heat.set_cursor(*self.model.cursor)
        template = "{field}, {directions}, {size} × {size}"
        words = {"field": tr(title).lower(), "directions": tr(self.model.caption()).lower(), "size": len(alpha)}
        self.plane_card.set_caption(template, **words)
        self._show_surface(alpha, beta, values, logarithmic)
        self.show_slices()

    def _show_surface(self, alpha: np.ndarray, beta: np.ndarray, values: np.ndarray, logarithmic: bool) -> None:
        with np.errstate(divide="ignore", invalid="ignore"):
            height = np.log10(values) if logarithmic else np.array(values)
        height = np.where(np.isfinite(height), height, np.nan)
        if np.isfinite(height).sum() < 4:
            return
        low, high = float(np.nanmin(height)), float(np.nanmax(height))
        share = np.nan_to_num((height - low) / (high - low if high > low else 1.0))
        colours = lut("viridis")[np.rint(share * 255).astype(int)]
        items = [
            {"kind": "surface", "x": np.array(alpha), "y": np.array(beta), "z": height, "colors": colours, "wire": 2}
        ]
        path = self.model.plane.path if self.model.plane else None
        if path is not None and self.model.field == "train_loss":
            with np.errstate(divide="ignore", invalid="ignore"):
                z = np.log10(path.loss) if logarithmic else np.array(path.loss)
            points = np.column_stack([path.points, z])
            inside = np.isfinite(z) & (np.abs(path.points) <= max(abs(alpha[0]), abs(alpha[-1]))).all(axis=1)
            if inside.sum() > 1:
                items.append({"kind": "line", "points": points[inside], "color": tokens().accent})
        label = f"log₁₀ {tr('loss')}" if logarithmic else tr(TITLES[self.model.field][0])
        self.scene.set_scene(items, labels=("α", "β", label), aspect=(1.0, 1.0, 0.75))
        self.surface_card.show_body()

    def show_slices(self) -> None:
        """Draw the cuts through the picture at the cursor."""
        for name, (place, values) in self.model.slices().items():
            self.slice.set_series({"alpha": tr("along α"), "beta": tr("along β")}[name], place, values)
        title, unit = TITLES[self.model.field]
        self.slice.axes = (
            self.slice.axes[0],
            Axis(title, unit, log=self.model.log and self.model.field.endswith("loss")),
        )
        self.slice.set_marks(sorted(set(self.model.cursor)), tr("cursor"), colour=tokens().muted)
        self.slice_card.set_caption("through the cursor, as on the plane")
