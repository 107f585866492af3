"""The small box that tells the values under the pointer."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen

from app.shell.theme import CAPTION, Tokens, theme


def paint_readout(
    painter: QPainter, area: QRectF, look: Tokens, at: QPointF, lines: tuple[str, ...],
    marks: tuple[tuple[QPointF, str], ...] = (),
) -> None:  # fmt: skip
    """Ring the marked points and write the lines beside the pointer, inside an area in pixels."""
    for centre, colour in marks:
        painter.setPen(QPen(look.colour("panel"), 1.5))
        painter.setBrush(look.colour(colour))
        painter.drawEllipse(centre, 4, 4)
    font = theme().font(CAPTION, tabular=True)
    metrics = QFontMetricsF(font)
    width = max(metrics.horizontalAdvance(line) for line in lines) + 16
    height = metrics.height() * len(lines) + 10
    left = at.x() + 12 if at.x() + 12 + width <= area.right() else at.x() - 12 - width
    left = max(area.left() + 2, left)
    top = min(max(area.top() + 2, at.y() - height - 8), area.bottom() - height - 2)
    box = QRectF(left, top, width, height)
    painter.setPen(QPen(look.colour("edge"), 1))
    painter.setBrush(look.colour("panel", 0.95))
    painter.drawRoundedRect(box, 5, 5)
    painter.setFont(font)
    painter.setPen(look.colour("text"))
    for index, line in enumerate(lines):
        row = QRectF(left + 8, top + 5 + index * metrics.height(), width - 16, metrics.height())
        painter.drawText(row, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), line)
