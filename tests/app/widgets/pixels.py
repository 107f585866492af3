"""Looking at pictures by number."""

import numpy as np
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QWidget

from app.shell.theme import tokens


def shot(widget: QWidget) -> QImage:
    """The widget as it looks on a card."""
    image = QImage(widget.size(), QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(tokens().colour("panel"))
    painter = QPainter(image)
    painter.drawPixmap(0, 0, widget.grab())
    painter.end()
    return image


def array(image: QImage) -> np.ndarray:
    """The pixels as (rows, columns, 4) in red, green, blue, alpha."""
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    found = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return found[:, : image.width() * 4].reshape(image.height(), image.width(), 4).astype(int)


def count(image: QImage, colour: str, area: tuple[int, int, int, int] | None = None) -> int:
    """How many pixels of an area (x0, y0, x1, y1) are close to a colour."""
    x0, y0, x1, y1 = area or (0, 0, image.width(), image.height())
    pixels = array(image)[max(0, y0) : y1, max(0, x0) : x1]
    wanted = np.array(QColor(colour).getRgb()[:3])
    near = np.abs(pixels[..., :3] - wanted).sum(axis=-1) < 40
    return int((near & (pixels[..., 3] > 200)).sum())


def colours(image: QImage) -> int:
    """How many colours there are."""
    return len(np.unique(array(image) @ np.array([1, 256, 65536, 1 << 24])))


def difference(one: QImage, other: QImage) -> float:
    """Mean difference of the colours over a coarse grid, 0 to 255: what a squinting eye sees."""

    def small(image: QImage) -> np.ndarray:
        pixels = array(image)[..., :3]
        rows, columns = pixels.shape[0] // 20, pixels.shape[1] // 20
        return pixels[: rows * 20, : columns * 20].reshape(rows, 20, columns, 20, 3).mean(axis=(1, 3))

    return float(np.abs(small(one) - small(other)).mean())
