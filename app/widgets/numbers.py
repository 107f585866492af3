"""The list of numbers: title, value, interval; what it means and where it comes from; warnings beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetricsF, QGuiApplication, QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.shell.icons import icon
from app.shell.text import Quantity, live, quantity, tr
from app.shell.theme import CAPTION, SPACE_2, SPACE_3, theme, tokens
from app.widgets.callout import Callout
from app.widgets.labels import Label, tool
from app.widgets.plot.table import Table
from engine.studies.contract import Measure

Index = QModelIndex | QPersistentModelIndex
DEFINITION = 5  # lines of a definition; the whole is in the tooltip
LEAST = 24.0  # px of a name, below which it is cut in the middle
ASIDE, MOST_ASIDE = 0.27, 0.4  # shares of a line for interval and unit: of all lines alike, of one with a wide interval


@dataclass(frozen=True)
class Number:
    """One measured value.

    Attributes:
        measure: what it is. value: None is shown as a dash. interval: its ends, or None.
        n: how many draws are behind it.
        dims: what tells it from others of the same measure: layer, split, run. warning: why it should not be trusted.
        group: English heading above it; a new heading is drawn where it changes.
    """

    measure: Measure
    value: float | int | None
    interval: tuple[float, float] | None = None
    n: int | None = None
    dims: tuple[tuple[str, str], ...] = field(default_factory=tuple)
    warning: str = ""
    group: str = ""

    def title(self) -> str:
        """The measure's name with what tells it apart."""
        return tr(self.measure.title) + self._apart()

    def _apart(self) -> str:
        said = ", ".join(_told(name, value) for name, value in self.dims)
        return f" ({said})" if said else ""

    def fitted(self, metrics: QFontMetricsF, room: float) -> str:
        """The title cut to a width in px, from its name rather than from what tells it apart."""
        apart = self._apart()
        left = room - metrics.horizontalAdvance(apart)
        if left < LEAST:
            return metrics.elidedText(self.title(), Qt.TextElideMode.ElideMiddle, room)
        return metrics.elidedText(tr(self.measure.title), Qt.TextElideMode.ElideRight, left) + apart

    def quantity(self) -> Quantity:
        """Digits, unit and interval."""
        return quantity(self.value, self.measure.unit, self.interval, self.measure.digits)

    def definition(self) -> str:
        """Symbol, definition, source and how many draws, as one text."""
        head = f"{tr(self.measure.title)}, {self.measure.symbol}" if self.measure.symbol else tr(self.measure.title)
        parts = [f"{head}: {tr(self.measure.definition)}", tr(self.measure.source)]
        if self.n is not None:
            parts.append(tr("n = {n}", n=self.n))
        return "\n".join(part for part in parts if part)


def _told(name: str, value: str) -> str:
    """A dimension in words; layers have names of their own."""
    if name == "layer":
        return value
    value = tr(value) if name in ("split", "curve", "matrix", "of") else value
    return value if name == "split" else f"{tr(name)} {value}"


class NumbersModel(QAbstractListModel):
    """The numbers as Qt's views want them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.numbers: list[Number] = []

    def replace(self, numbers: Sequence[Number]) -> None:
        """Show these numbers; where only values differ, the rows stay."""
        same = [(n.measure.id, n.dims, n.group, bool(n.warning)) for n in numbers] == [
            (n.measure.id, n.dims, n.group, bool(n.warning)) for n in self.numbers
        ]
        if same and numbers:
            self.numbers = list(numbers)
            self.dataChanged.emit(self.index(0), self.index(len(numbers) - 1))
            return
        self.beginResetModel()
        self.numbers = list(numbers)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.numbers)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        number = self.numbers[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return number.title()
        if role == Qt.ItemDataRole.ToolTipRole:
            return number.definition() + (f"\n{tr(number.warning)}" if number.warning else "")
        if role == Qt.ItemDataRole.AccessibleTextRole:
            said = f"{number.title()}: {number.quantity()}"
            return f"{said}. {tr('Warning')}: {tr(number.warning)}" if number.warning else said
        if role == Qt.ItemDataRole.UserRole:
            return number
        return None

    def starts_group(self, row: int) -> bool:
        """Whether a heading stands above this row."""
        group = self.numbers[row].group
        return bool(group) and (row == 0 or self.numbers[row - 1].group != group)

    def aside_width(self, number: Number, width: float) -> float:
        """The room in px for interval and unit of a line of a width: as much for all lines where that is little."""
        metrics = QFontMetricsF(theme().font(CAPTION, tabular=True))
        needed = [metrics.horizontalAdvance(_aside(n.quantity())) for n in self.numbers]
        widest = max(needed, default=0.0)
        if widest <= ASIDE * width:
            return widest
        if number.interval is not None:
            return min(metrics.horizontalAdvance(_aside(number.quantity())), MOST_ASIDE * width)
        alone = [room for room, n in zip(needed, self.numbers, strict=True) if n.interval is None]
        return min(max(alone, default=0.0), ASIDE * width)


def _aside(shown: Quantity) -> str:
    return " ".join(part for part in (shown.spread, shown.unit if shown.unit != "%" else "") if part)


def _main(shown: Quantity) -> str:
    return f"{shown.value}\u202f%" if shown.unit == "%" else shown.value


class _Delegate(QStyledItemDelegate):
    """Paints one number: name at the left, digits right-aligned in one column, interval and unit muted behind them."""

    def __init__(self, model: NumbersModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model

    def _heights(self, index: Index) -> tuple[int, int, int]:
        line = theme().px(24)
        head = theme().px(26) if self._model.starts_group(index.row()) else 0
        warning = self._model.numbers[index.row()].warning
        return head, line, self._warning_height(warning) if warning else 0

    def _warning_height(self, text: str) -> int:
        view = self.parent()
        width = view.viewport().width() - 40 if isinstance(view, QListView) else 200
        box = QFontMetricsF(theme().font(CAPTION)).boundingRect(
            QRectF(0, 0, max(60, width), 1000), int(Qt.TextFlag.TextWordWrap), tr(text)
        )
        return int(box.height()) + 6

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(160, sum(self._heights(index)))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        look, number = tokens(), self._model.numbers[index.row()]
        head, line, below = self._heights(index)
        rect = QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, right = rect.left() + SPACE_3, rect.right() - SPACE_3
        if head:
            painter.setFont(theme().font(CAPTION))
            painter.setPen(look.colour("muted"))
            box = QRectF(left, rect.top() + 6, right - left, head - 6)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignVCenter), tr(number.group))
        row = QRectF(rect.left() + 4, rect.top() + head, rect.width() - 8, line + below)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.colour("soft"))
            painter.drawRoundedRect(row, 5, 5)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(look.colour("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(row.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        self._paint_line(painter, QRectF(left, rect.top() + head, right - left, line), number)
        if below:
            self._paint_warning(painter, QRectF(left, rect.top() + head + line - 2, right - left, below), number)
        painter.restore()

    def _paint_line(self, painter: QPainter, box: QRectF, number: Number) -> None:
        look, shown = tokens(), number.quantity()
        aside_width = self._model.aside_width(number, box.width())
        aside = QRectF(box.right() - aside_width, box.top(), aside_width, box.height())
        bold = theme().font(bold=True, tabular=True)
        value_width = QFontMetricsF(bold).horizontalAdvance(_main(shown)) + 2
        end = aside.left() - (SPACE_2 if aside_width else 0)
        value = QRectF(end - value_width, box.top(), value_width, box.height())
        centre = int(Qt.AlignmentFlag.AlignVCenter)
        painter.setFont(theme().font())
        painter.setPen(look.colour("text"))
        room = value.left() - box.left() - SPACE_2
        title = number.fitted(QFontMetricsF(theme().font()), room)
        painter.drawText(QRectF(box.left(), box.top(), room, box.height()), centre, title)
        painter.setFont(bold)
        painter.setPen(look.colour("warn" if number.warning else "text"))
        painter.drawText(value, centre | int(Qt.AlignmentFlag.AlignRight), _main(shown))
        painter.setFont(theme().font(CAPTION, tabular=True))
        painter.setPen(look.colour("muted"))
        text = QFontMetricsF(painter.font()).elidedText(_aside(shown), Qt.TextElideMode.ElideRight, aside_width + 1)
        painter.drawText(aside, centre | int(Qt.AlignmentFlag.AlignLeft), text)

    def _paint_warning(self, painter: QPainter, box: QRectF, number: Number) -> None:
        icon("warning", "warn").paint(painter, int(box.left()), int(box.top()) + 2, 14, 14)
        painter.setFont(theme().font(CAPTION))
        painter.setPen(tokens().colour("warn"))
        painter.drawText(box.adjusted(20, 0, 0, 0), int(Qt.TextFlag.TextWordWrap), tr(number.warning))


class NumbersPanel(QFrame):
    """All numbers of a run.

    Signals:
        selected: the Number that the user looks at.
    """

    selected = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.model = NumbersModel(self)
        self.view = QListView()
        self.view.setModel(self.model)
        self.view.setItemDelegate(_Delegate(self.model, self.view))
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setMouseTracking(True)
        self.view.setResizeMode(QListView.ResizeMode.Adjust)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.selectionModel().currentChanged.connect(self._look)
        self._heading = Label("", "section")
        self._callout = Callout()
        self._definition = Label("", "caption", wrap=True)
        self._definition.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._empty = Label("", "muted", wrap=True)
        self._empty.setContentsMargins(SPACE_3, SPACE_2, SPACE_3, 0)
        self._copy = tool("copy", "", self._menu)
        QShortcut(QKeySequence.StandardKey.Copy, self.view, self.copy_csv, context=Qt.ShortcutContext.WidgetShortcut)
        self._lay_out()
        live(self._say)
        theme().changed.connect(self.view.scheduleDelayedItemsLayout)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(SPACE_3, SPACE_2 - 2, SPACE_2 - 2, 2)
        top.addWidget(self._heading, 1)
        top.addWidget(self._copy)
        foot = QVBoxLayout()
        foot.setContentsMargins(SPACE_3, SPACE_2, SPACE_3, SPACE_3)
        foot.setSpacing(SPACE_2)
        foot.addWidget(self._callout)
        foot.addWidget(self._definition)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addLayout(top)
        column.addWidget(self._empty)
        column.addWidget(self.view, 1)
        column.addLayout(foot)
        column.addStretch(0)

    def _say(self) -> None:
        self._heading.setText(tr("Numbers"))
        self.view.setAccessibleName(tr("Numbers"))
        self._empty.setText(tr("The run's numbers appear here, each with its definition and source."))
        self.view.viewport().update()
        self._copy.say(tr("Copy the numbers"))
        lines = "\n".join([tr("Numbers")] * DEFINITION)  # scripts differ in the height of their lines
        room = QFontMetricsF(theme().font(CAPTION)).boundingRect(QRectF(0, 0, 1000, 1000), 0, lines)
        self._definition.setMaximumHeight(math.ceil(room.height()))
        self._fit()

    def _fit(self) -> None:
        empty = not self.model.numbers
        self._empty.setVisible(empty)
        self._copy.setEnabled(not empty)
        current = self.view.currentIndex()
        looked_at = self.model.numbers[current.row() if current.isValid() else 0] if not empty else None
        self._define(looked_at.definition() if looked_at else "")

    def set_numbers(self, numbers: Sequence[Number]) -> None:
        """Show these numbers; the selection stays where the rows stay."""
        self.model.replace(numbers)
        self._fit()

    def _define(self, text: str) -> None:
        self._definition.setText(text)
        self._definition.setToolTip(text)

    def set_callout(self, text: str) -> None:
        """What else there is to say, such as a phase or warnings, a line each; "" takes it away. Translated already."""
        self._callout.set_lines([line for line in text.splitlines() if line.strip()])

    def _look(self, index: QModelIndex, _old: QModelIndex | None = None) -> None:
        if index.isValid():
            number = self.model.numbers[index.row()]
            self._define(number.definition())
            self.selected.emit(number)

    def table(self) -> Table:
        """The numbers as columns."""
        numbers = self.model.numbers
        low = [n.interval[0] if n.interval else float("nan") for n in numbers]
        high = [n.interval[1] if n.interval else float("nan") for n in numbers]
        heads = [tr("measure"), tr("title"), tr("value"), tr("lower"), tr("upper"), tr("unit"), "n", tr("warning")]
        ids = [n.measure.id + "".join(f".{name}={value}" for name, value in n.dims) for n in numbers]
        values = [float("nan") if n.value is None else n.value for n in numbers]
        counts = ["" if n.n is None else n.n for n in numbers]
        units, warnings = [n.measure.unit for n in numbers], [tr(n.warning) for n in numbers]
        return Table(heads, [ids, [n.title() for n in numbers], values, low, high, units, counts, warnings])

    def copy_csv(self) -> None:
        """Put the numbers on the clipboard as CSV."""
        QGuiApplication.clipboard().setText(self.table().csv())

    def copy_markdown(self) -> None:
        """Put the numbers on the clipboard as a Markdown table."""
        QGuiApplication.clipboard().setText(self.table().markdown())

    def _menu(self) -> None:
        menu = QMenu(self)
        menu.addAction(tr("Copy as CSV")).triggered.connect(lambda _=False: self.copy_csv())
        menu.addAction(tr("Copy as Markdown")).triggered.connect(lambda _=False: self.copy_markdown())
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._copy.mapToGlobal(self._copy.rect().bottomLeft()))
