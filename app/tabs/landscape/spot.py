"""What the network does where the cursor stands: loss, accuracy, and the examples that it gets most wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.shell.text import live, number, tr
from app.shell.theme import CAPTION, SPACE_2, SPACE_3, theme, tokens
from app.widgets.labels import Label
from app.widgets.session_link import SessionLink

THUMB = 40


class SpotPanel(QFrame):
    """A card below the numbers; asks the session that holds network and plane.

    Signals:
        failed: the session's EngineError.
    """

    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._spot: dict[str, Any] | None = None
        self._link = SessionLink(parent=self)
        self._link.done.connect(lambda _method, spot: self.show_spot(spot))
        self._link.failed.connect(lambda _method, error: self.failed.emit(error))
        self._heading = Label("", "section")
        self._text = Label("", "muted", wrap=True)
        self.examples = Examples()
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_3, SPACE_2, SPACE_3, SPACE_3)
        column.setSpacing(SPACE_2)
        for widget in (self._heading, self._text, self.examples):
            column.addWidget(widget)
        live(self._say)

    def open_session(self, spec: dict[str, Any]) -> bool:
        """Hold this plane's session; False when one is held already."""
        if self._link.is_open():
            return False
        self._link.open("landscape.cursor", spec)
        return True

    def ask(self, place: tuple[float, float], split: str) -> None:
        """Evaluate a place; of several waiting questions the last is answered."""
        if self._link.is_open():
            self._link.call("point", {"place": list(place), "split": split}, key="cursor")

    def close_session(self) -> None:
        """Forget the plane."""
        self._link.close()
        self.show_spot(None)

    def show_spot(self, spot: dict[str, Any] | None) -> None:
        """Show an answer of the session "landscape.cursor"; None before there is one."""
        self._spot = spot
        self._say()

    def _say(self) -> None:
        self._heading.setText(tr("At the cursor"))
        if self._spot is None:
            self._text.setText(tr("Drag the cross on the plane: the network is evaluated there at once."))
            self.examples.set_examples(None)
            return
        place = ", ".join(number(float(value), 3) for value in self._spot["place"])
        lines = [tr("α, β = {place}", place=place)]
        names = {"train": tr("Training"), "test": tr("Test")}
        for split, loss in self._spot["loss"].items():
            accuracy = self._spot["accuracy"][split]
            line = tr("{split}: loss {loss} nat", split=names[split], loss=number(loss, 3))
            lines.append(line if np.isnan(accuracy) else f"{line}, {number(accuracy, 3)} %")
        lines.append(tr("Largest losses ({split}):", split=names[self._spot["split"]].lower()))
        self._text.setText("\n".join(lines))
        self.examples.set_examples(self._spot["worst"])


class NotesPanel(QFrame):
    """What the runs said about their numbers; hidden while there is nothing to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._text = Label("", "warn", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(SPACE_3, SPACE_2, SPACE_3, SPACE_2)
        column.addWidget(self._text)
        self.hide()

    def set_notes(self, notes: Sequence[str]) -> None:
        """Show these sentences, translated already."""
        self._text.setText("\n".join(notes))
        self.setVisible(bool(notes))


class Examples(QWidget):
    """A row of small pictures, each with what it is, what the network says, and its loss."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._worst: dict[str, Any] | None = None
        self.setMinimumHeight(theme().px(THUMB + 34))
        theme().changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Five pictures wide."""
        return QSize(theme().px(5 * (THUMB + 8)), theme().px(THUMB + 34))

    def set_examples(self, worst: dict[str, Any] | None) -> None:
        """Show the ``worst`` of a session's answer."""
        self._worst = worst
        self.setVisible(worst is not None)
        if worst is not None:
            rows = zip(worst["targets"], worst["answers"], worst["losses"], strict=True)
            texts = [
                tr("{target} taken for {answer}, loss {loss}", target=t, answer=a, loss=number(float(x), 3))
                for t, a, x in rows
            ]
            self.setAccessibleName(tr("Largest losses"))
            self.setAccessibleDescription("; ".join(texts))
            self.setToolTip("\n".join(texts))
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw pictures, curves or bars, whatever the examples are."""
        if self._worst is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme().font(CAPTION))
        side, look = theme().px(THUMB), tokens()
        step = min((self.width() - side) / max(1, len(self._worst["targets"]) - 1), side + 12.0)
        for index, example in enumerate(self._worst["inputs"]):
            box = QRectF(index * step, 0, side, side)
            draw_example(painter, box, np.asarray(example, dtype=float))
            target, answer = self._worst["targets"][index], self._worst["answers"][index]
            painter.setPen(look.colour("text" if target == answer else "bad"))
            line = QRectF(box.left() - 6, side + 1, step if step > side else side, 16)
            painter.drawText(line, int(Qt.AlignmentFlag.AlignHCenter), f"{target} → {answer}")
            painter.setPen(look.colour("muted"))
            painter.drawText(
                line.translated(0, 15),
                int(Qt.AlignmentFlag.AlignHCenter),
                number(float(self._worst["losses"][index]), 2),
            )
        painter.end()


def draw_example(painter: QPainter, box: QRectF, example: np.ndarray) -> None:
    """An image (1 or 3, h, w) in grey or colour, else the numbers as a curve."""
    low, high = float(np.nanmin(example)), float(np.nanmax(example))
    scaled = (example - low) / (high - low) if high > low else np.zeros_like(example)
    painter.fillRect(box, tokens().colour("line"))
    if example.ndim == 3 and example.shape[0] in (1, 3):
        channels = np.repeat(scaled, 3, axis=0) if len(scaled) == 1 else scaled
        pixels = np.ascontiguousarray((np.nan_to_num(channels).transpose(1, 2, 0) * 255).astype(np.uint8))
        height, width, _ = pixels.shape
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        painter.drawImage(box, image)
        return
    values = np.nan_to_num(scaled.reshape(-1))
    xs = np.linspace(box.left() + 2, box.right() - 2, max(2, len(values)))
    points = [QPointF(x, box.bottom() - 3 - y * (box.height() - 6)) for x, y in zip(xs, values, strict=False)]
    painter.setPen(tokens().colour("accent"))
    painter.drawPolyline(QPolygonF(points))
