"""The 3D widget: asks a session for pictures of a scene, shows the newest, turns it with mouse and keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.shell.errors import words
from app.shell.text import live, short, tr
from app.shell.theme import Tokens, theme, tokens
from app.widgets.plot.readout import paint_readout
from app.widgets.plot.scale import Ticks
from app.widgets.plot.table import Table
from app.widgets.scene3d import axes
from app.widgets.scene3d.camera import Camera
from app.widgets.scene3d.items import Item, for_service, summary, table
from app.widgets.scene3d.picture import Hit, Picture
from app.widgets.session_link import SessionLink
from engine.errors import EngineError

_BARE = (10.0, 10.0, 10.0, 10.0)  # margin of a scene without axes
_EXPORT_S = 3.0
_EXPORT_SCALE = 4.0
_KEYBOARD = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason, Qt.FocusReason.ShortcutFocusReason)
_PUSH = Qt.MouseButton.RightButton | Qt.MouseButton.MiddleButton


class Scene3D(QWidget):
    """A scene of surfaces, meshes, paths and points.

    Drag turns it, Shift or the right button pushes it, the wheel zooms (when it has the focus, or with Ctrl), double
    click and Home show all of it again; arrows, + and - do the same from the keyboard.

    Signals:
        hovered: the Hit under the pointer, or None.
        shown: a picture in full quality has come.
    """

    hovered = Signal(object)
    shown = Signal()

    def __init__(self, name: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.camera = Camera()
        self.shading = "smooth"
        self._items: list[Item] = []
        self._labels: tuple[str, str, str] = ("", "", "")
        self._layout: dict[str, Any] = {}
        self._ticks: dict[str, Ticks] | None = None
        self._with_axes = True
        self._placed = False  # the session has the scene
        self._picture: Picture | None = None
        self._error: EngineError | None = None
        self._pointer: QPointF | None = None
        self._hit: Hit | None = None
        self._held = QPointF()
        self._by_keyboard = False
        self._link = SessionLink("scene", parent=self)
        self._link.done.connect(self._done)
        self._link.partial.connect(lambda _method, frame: self._show(frame))
        self._link.failed.connect(self._failed)
        self._soon = QTimer(self, interval=0, singleShot=True)
        self._soon.timeout.connect(self._ask)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumSize(180, 140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(name)
        theme().changed.connect(self._send)
        self._own_name = ""
        live(self._say)

    # Scene -----------------------------------------------------------------------------------------------------------
    def set_scene(
        self,
        items: Sequence[Item],
        *,
        labels: tuple[str, str, str] = ("", "", ""),
        aspect: Sequence[float] | str = "equal",
        box: Sequence[Sequence[float]] | None = None,
        with_axes: bool = True,
    ) -> None:
        """Show other items; the camera stays.

        Args:
            items: see ``items.for_service`` and the builders in ``engine.scene``; their arrays must not change later.
            labels: names of the axes, translated. aspect: relative lengths of the sides, "equal" for the data's own.
            box: ((low, high) per axis) in data units, None for the items' own. with_axes: draw the box and its ticks.
        """
        self._items, self._labels, self._with_axes = list(items), labels, with_axes
        self._layout = {"aspect": aspect if isinstance(aspect, str) else list(aspect), "box": box}
        self._say()
        self._send()

    def clear(self) -> None:
        """Show nothing."""
        self._items, self._picture, self._error, self._placed = [], None, None, False
        self._point_at(None)
        self._say()
        self.update()

    def set_camera(self, camera: Camera) -> None:
        """Look from elsewhere."""
        if camera != self.camera:
            self.camera = camera
            self._point_at(None)
            self._soon.start()

    def set_shading(self, shading: str) -> None:
        """Choose "smooth", "flat", "unlit" or "normals"."""
        self.shading = shading
        self._soon.start()

    def reset_view(self) -> None:
        """Look from where it began."""
        self.set_camera(Camera())

    def close_session(self) -> None:
        """End the process behind the pictures; the next scene starts another."""
        self._soon.stop()
        self._link.close()
        self._placed = False

    def is_sharp(self) -> bool:
        """Whether the picture in full quality is shown."""
        return self._picture is not None and not self._picture.frame["quick"]

    # Session ---------------------------------------------------------------------------------------------------------
    def _send(self) -> None:
        if self._items:
            self._link.call("set_scene", {"items": for_service(self._items, tokens()), **self._layout}, key="scene")

    def _ask(self) -> None:
        if self._placed and self.isVisible() and self.width() > 1 and self.height() > 1:
            size = QSizeF(self.size())
            params = self._params(size, self.devicePixelRatioF()) | {"quick": True, "hits": True, "supersample": 3}
            self._link.call("render", params, key="view")

    def _params(self, size: QSizeF, scale: float) -> dict[str, Any]:
        places = {axis: own.places for axis, own in self._ticks.items()} if self._ticks and self._with_axes else None
        margin = axes.MARGIN if places is not None else _BARE
        seen = {"camera": self.camera.params(), "shading": self.shading, "ticks": places}
        return {**seen, "width": size.width(), "height": size.height(), "scale": scale, "margin": list(margin)}

    def _done(self, method: str, value: dict[str, Any]) -> None:
        self._error = None
        if method == "render":
            self._show(value)
            self.shown.emit()
        elif self._items:
            self._placed = True
            self._ticks = axes.ticks_of(value["box"])
            self._ask()

    def _show(self, frame: dict[str, Any]) -> None:
        if self._items:
            self._picture = Picture(frame, QSizeF(frame["width"], frame["height"]))
            self._point_at(self._pointer)
            self.update()

    def _failed(self, method: str, error: EngineError) -> None:
        if type(error).__name__ == "NothingToDraw":  # the process is a new one
            self._send()
            return
        self._error = error
        self._picture = None
        self._say()
        self.update()

    # Painting --------------------------------------------------------------------------------------------------------
    def draw(self, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool = False) -> None:
        """Paint the scene into a size in px, as sharp as the painter's device can show."""
        scale = min(_EXPORT_SCALE, painter.transform().m11())
        self._paint(painter, self._drawn(size, scale), look)

    def image(self, width: int, height: int, scale: float = 1.0) -> QImage:
        """The scene on a transparent ground, ``scale`` pixels a px; waits for it, three seconds at most."""
        found = QImage(QSize(round(width * scale), round(height * scale)), QImage.Format.Format_ARGB32_Premultiplied)
        found.fill(Qt.GlobalColor.transparent)
        painter = QPainter(found)
        painter.scale(scale, scale)
        self._paint(painter, self._drawn(QSizeF(width, height), scale), tokens())
        painter.end()
        return found

    def _drawn(self, size: QSizeF, scale: float) -> Picture | None:
        if not self._placed:
            return self._picture
        try:
            frame = self._link.ask("render", self._params(size, scale) | {"supersample": 4}, _EXPORT_S)
        except EngineError:
            return self._picture
        return Picture(frame, size)

    def table(self) -> Table:
        """The coordinates of the first item."""
        return table(self._items, self._labels)

    def summary(self) -> str:
        """The scene in words; the reason where there is no picture."""
        if self._error is not None:
            what, _why, remedy = words(self._error)
            return f"{what} {remedy}".strip()
        return summary(self._items, self._labels)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        look = tokens()
        if self._error is not None:
            painter.setPen(look.colour("muted"))
            box = self.rect().adjusted(24, 12, -24, -12)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.summary())
        else:
            self._paint(painter, self._picture, look)
            self._paint_readout(painter, look)
        if self.hasFocus() and self._by_keyboard:
            painter.setPen(QPen(look.colour("accent"), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
        painter.end()

    def _paint(self, painter: QPainter, picture: Picture | None, look: Tokens) -> None:
        if picture is None:
            return
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        lines = picture.frame.get("axes")
        if lines is not None:
            axes.paint_walls(painter, lines, look)
        painter.drawImage(QRectF(QPointF(0, 0), picture.size), picture.image)
        if lines is not None and self._ticks is not None:
            axes.paint_labels(painter, lines, self._ticks, self._labels, look)

    def _paint_readout(self, painter: QPainter, look: Tokens) -> None:
        if self._hit is None or self._pointer is None:
            return
        names = [label or axis for label, axis in zip(self._labels, "xyz", strict=True)]
        told = tuple(f"{name}  {short(value, 4)}" for name, value in zip(names, self._hit.position, strict=True))
        paint_readout(painter, QRectF(self.rect()), look, self._pointer, told)

    def _say(self) -> None:
        if self.accessibleName() == self._own_name:  # nobody gave it another
            self._own_name = tr("3D picture")
            self.setAccessibleName(self._own_name)
        self.setAccessibleDescription(self.summary())

    # Events ----------------------------------------------------------------------------------------------------------
    def sizeHint(self) -> QSize:
        return QSize(360, 260)

    def showEvent(self, event: QShowEvent) -> None:
        self._soon.start()
        super().showEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._soon.start()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.DevicePixelRatioChange):
            self._soon.start()
        super().changeEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._point_at(None)
        super().leaveEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._by_keyboard = event.reason() in _KEYBOARD
        super().focusInEvent(event)

    def _point_at(self, at: QPointF | None) -> None:
        self._pointer = at
        hit = self._picture.hit(at) if self._picture is not None and at is not None else None
        if hit != self._hit:
            self._hit = hit
            self.hovered.emit(hit)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._held = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if not event.buttons():
            self._point_at(at)
            return
        step, self._held = at - self._held, at
        push = event.buttons() & _PUSH or event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        self._push(step.x(), step.y()) if push else self.set_camera(self.camera.turned(step.x(), step.y()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._held = event.position()
        self.reset_view()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus() or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.set_camera(self.camera.zoomed(1.001 ** event.angleDelta().y()))
            event.accept()
        else:
            event.ignore()  # an unfocused picture lets its page scroll

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _ARROWS:
            dx, dy = (20 * part for part in _ARROWS[key])
            push = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            self._push(dx, dy) if push else self.set_camera(self.camera.turned(dx, dy))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.set_camera(self.camera.zoomed(1.25))
        elif key == Qt.Key.Key_Minus:
            self.set_camera(self.camera.zoomed(0.8))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_0):
            self.reset_view()
        else:
            super().keyPressEvent(event)

    def _push(self, dx: float, dy: float) -> None:
        if self._picture is not None:
            self.set_camera(self.camera.panned(dx, dy, self._picture.frame["per_pixel"]))


_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
