"""Saving pictures: PNG, SVG and PDF by the painter that fills the screen, CSV from the numbers behind."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, cast, runtime_checkable

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QRectF, QSizeF, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPageSize, QPainter, QPdfWriter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

from app.shell.theme import LIGHT, Tokens, tokens
from app.widgets.plot.files import painting
from app.widgets.plot.table import Table
from engine.errors import EngineError

Format = Literal["png", "svg", "pdf", "csv"]
FORMATS: tuple[Format, ...] = ("png", "svg", "pdf", "csv")
MM_PER_PX = 25.4 / 96


@runtime_checkable
class Picture(Protocol):
    """What can be painted by any painter at any size, and told as numbers."""

    def draw(self, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool = False) -> object:
        """Paint into a size in px."""

    def table(self) -> Table:
        """The numbers."""


class ExportFailed(EngineError):
    """Raised when a picture cannot be written."""

    what = "The picture was not saved."
    why = "{path} cannot be written: {reason}."
    remedy = "Choose another folder or file name, or free some space."


class NothingToTell(EngineError):
    """Raised when a picture without numbers is asked for them."""

    what = "There is no table behind this picture."
    why = "It shows an image, or it is still empty."
    remedy = "Save it as PNG, or wait for the first numbers."


def image(widget: QWidget, *, light: bool = False, scale: float = 2.0, size: QSizeF | None = None) -> QImage:
    """The picture in pixels on an opaque ground.

    Args:
        light: in the light theme, whatever the screen shows. scale: pixels per px.
        size: in px; None is the size on screen.
    """
    wanted = size or QSizeF(widget.size())
    look = LIGHT if light else tokens()
    found = QImage((wanted * scale).toSize(), QImage.Format.Format_ARGB32)
    found.fill(look.colour("panel"))
    with painting(found) as painter:
        painter.scale(scale, scale)
        _paint(widget, painter, wanted, look, vector=False)
    found.setDotsPerMeterX(round(96 * scale / 0.0254))
    found.setDotsPerMeterY(round(96 * scale / 0.0254))
    return found


def svg(widget: QWidget, *, light: bool = False, size: QSizeF | None = None, title: str = "", notes: str = "") -> bytes:
    """The picture as an SVG document."""
    wanted = size or QSizeF(widget.size())
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    generator = QSvgGenerator()  # SVG Tiny 1.2: as Qt 6.10 writes SVG 1.1, one clip hides what comes after it
    generator.setOutputDevice(buffer)
    generator.setResolution(96)
    generator.setSize(wanted.toSize())
    generator.setViewBox(QRectF(0, 0, wanted.width(), wanted.height()))
    generator.setTitle(title)
    generator.setDescription(notes)
    look = LIGHT if light else tokens()
    with painting(generator) as painter:
        painter.fillRect(QRectF(0, 0, wanted.width(), wanted.height()), look.colour("panel"))
        _paint(widget, painter, wanted, look, vector=True)
    return cast(bytes, buffer.data().data())


def pdf(widget: QWidget, *, light: bool = False, size: QSizeF | None = None, title: str = "", notes: str = "") -> bytes:
    """The picture as a PDF of one page, as large as the picture; the notes are a text file inside."""
    wanted = size or QSizeF(widget.size())
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setTitle(title)
    if notes:
        writer.addFileAttachment("notes.txt", QByteArray(notes.encode()), "text/plain")
    writer.setResolution(1200)
    writer.setPageSize(
        QPageSize(wanted * MM_PER_PX, QPageSize.Unit.Millimeter, "", QPageSize.SizeMatchPolicy.ExactMatch)
    )
    writer.setPageMargins(QMarginsF(0, 0, 0, 0))
    look = LIGHT if light else tokens()
    with painting(writer) as painter:
        painter.scale(1200 / 96, 1200 / 96)
        painter.fillRect(QRectF(0, 0, wanted.width(), wanted.height()), look.colour("panel"))
        _paint(widget, painter, wanted, look, vector=True)
    return cast(bytes, buffer.data().data())


def _paint(widget: QWidget, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool) -> None:
    if isinstance(widget, Picture):
        widget.draw(painter, size, look, vector=vector)
        return
    shot = widget.grab()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(QRectF(0, 0, size.width(), size.height()), shot, QRectF(shot.rect()))


def save(
    widget: QWidget, path: Path, *, light: bool = False, scale: float = 2.0, size: QSizeF | None = None,
    title: str = "", notes: str = "",
) -> None:  # fmt: skip
    """Write the picture or its numbers; the suffix chooses the format, ``notes`` say where the numbers come from.

    Raises:
        ExportFailed: the file cannot be written, or its suffix is none of FORMATS.
        NothingToTell: CSV of a picture without numbers.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind == "png":
        found = image(widget, light=light, scale=scale, size=size)
        found.setText("Title", title)
        found.setText("Description", notes)
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        found.save(buffer, "PNG")  # type: ignore[call-overload]
        data = cast(bytes, buffer.data().data())
    elif kind == "svg":
        data = svg(widget, light=light, size=size, title=title, notes=notes)
    elif kind == "pdf":
        data = pdf(widget, light=light, size=size, title=title, notes=notes)
    elif kind == "csv":
        data = numbers(widget).csv(notes).encode()
    else:
        raise ExportFailed(path=str(path), reason=f"the suffix must be one of {', '.join(FORMATS)}")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise ExportFailed(path=str(path), reason=error.strerror or str(error)) from error


def numbers(widget: QWidget) -> Table:
    """The numbers behind a picture.

    Raises:
        NothingToTell: there are none.
    """
    found = widget.table() if isinstance(widget, Picture) else Table([])
    if not found.columns:
        raise NothingToTell()
    return found


def copy(widget: QWidget) -> None:
    """Put the picture on the clipboard as an image."""
    found = image(widget)
    QGuiApplication.clipboard().setImage(found.convertToFormat(QImage.Format.Format_RGB32))


def transparent(widget: QWidget) -> QImage:
    """The picture on a transparent ground, at the size on screen."""
    found = QImage(widget.size(), QImage.Format.Format_ARGB32_Premultiplied)
    found.fill(Qt.GlobalColor.transparent)
    with painting(found) as painter:
        _paint(widget, painter, QSizeF(widget.size()), tokens(), vector=False)
    return found
