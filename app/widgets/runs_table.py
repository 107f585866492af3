"""The table of runs: state as dot and word, progress, time left; filtered at once, updated row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.shell.icons import icon
from app.shell.text import DASH, duration, live, tr
from app.shell.theme import SPACE_2, SPACE_3, Tokens, theme, tokens
from app.widgets.labels import Label

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("run", "study", "state", "progress", "left", "device")

# State -> (word, token, shape); a reader who sees no colours still sees the shape and the word.
STATES = {
    "queued": ("queued", "muted", "ring"), "starting": ("starting", "accent", "half"),
    "running": ("running", "accent", "dot"), "stopping": ("stopping", "warn", "half"),
    "stopped": ("stopped", "warn", "square"), "finished": ("finished", "good", "check"),
    "failed": ("failed", "bad", "cross"), "lost": ("lost", "bad", "triangle"),
}  # fmt: skip


@dataclass(frozen=True)
class RunRow:
    """What the table shows of a run.

    Attributes:
        id: the run's id. name: what the user sees. study: which study and task. state: one of STATES.
        done: share from 0 to 1, None when not known. left: seconds, None when not known. device: "CPU 0" or "".
        note: what it is doing now, or why it ended; shown on hover.
    """

    id: str
    name: str
    study: str
    state: str
    done: float | None = None
    left: float | None = None
    device: str = ""
    note: str = ""

    def words(self) -> str:
        """What the filter looks through."""
        return f"{self.id} {self.name} {self.study} {self.state} {tr(self.state)} {self.device}".casefold()


class RunsModel(QAbstractTableModel):
    """The rows, those of them that pass the filter, and the differences between one state and the next."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._all: list[RunRow] = []
        self._shown: list[RunRow] = []
        self._filter = ""

    def rows(self) -> list[RunRow]:
        """The rows that are shown."""
        return self._shown

    def row(self, index: Index) -> RunRow:
        """The row of an index."""
        return self._shown[index.row()]

    def counts(self) -> dict[str, int]:
        """State -> how many runs, of all."""
        found: dict[str, int] = {}
        for row in self._all:
            found[row.state] = found.get(row.state, 0) + 1
        return found

    def set_rows(self, rows: Sequence[RunRow]) -> None:
        """Show these rows; only what differs is announced, so that selection and scroll position stay."""
        self._all = list(rows)
        self._move_to(self._passing())

    def set_filter(self, text: str) -> None:
        """Keep the rows that hold all of these words."""
        self._filter = text.casefold()
        self._move_to(self._passing())

    def _passing(self) -> list[RunRow]:
        words = self._filter.split()
        if not words:
            return self._all
        return [row for row in self._all if all(word in row.words() for word in words)]

    def _move_to(self, wanted: list[RunRow]) -> None:
        wanted_ids = [row.id for row in wanted]
        keep = set(wanted_ids)
        kept_order = [row.id for row in self._shown if row.id in keep]
        here = set(kept_order)
        if kept_order != [key for key in wanted_ids if key in here]:
            self.beginResetModel()  # the order changed: rare, and cheaper than many moves
            self._shown = list(wanted)
            self.endResetModel()
            return
        self._remove(keep)
        self._insert(wanted)
        self._announce(wanted)

    def _remove(self, keep: set[str]) -> None:
        for first, last in reversed(_stretches([row.id not in keep for row in self._shown])):
            self.beginRemoveRows(QModelIndex(), first, last)
            del self._shown[first : last + 1]
            self.endRemoveRows()

    def _insert(self, wanted: list[RunRow]) -> None:
        here = {row.id for row in self._shown}
        for first, last in _stretches([row.id not in here for row in wanted]):
            self.beginInsertRows(QModelIndex(), first, last)
            self._shown[first:first] = wanted[first : last + 1]
            self.endInsertRows()

    def _announce(self, wanted: list[RunRow]) -> None:
        changed = [old != new for old, new in zip(self._shown, wanted, strict=True)]
        self._shown = list(wanted)
        for first, last in _stretches(changed):
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._shown)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row, column = self._shown[index.row()], COLUMNS[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return _text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(part for part in (f"{row.name} ({row.id})", row.note) if part)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            titles = (tr("Run"), tr("Study"), tr("State"), tr("Progress"), tr("Time left"), tr("Device"))
            return titles[section]
        if role == Qt.ItemDataRole.TextAlignmentRole and orientation == Qt.Orientation.Horizontal:
            return int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        return None


def _text(row: RunRow, column: str) -> str:
    if column == "progress":
        return "" if row.done is None else f"{round(100 * min(1.0, max(0.0, row.done)))} %"
    if column == "left":
        return duration(row.left) if row.state in ("running", "starting", "queued", "stopping") else ""
    if column == "device":
        return row.device or DASH
    if column == "state":
        return tr(STATES.get(row.state, (row.state, "", ""))[0])
    return {"run": row.name, "study": row.study}[column]


def _stretches(flags: list[bool]) -> list[tuple[int, int]]:
    """First and last index of each stretch of true flags."""
    found: list[tuple[int, int]] = []
    for index, flag in enumerate(flags):
        if flag and found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        elif flag:
            found.append((index, index))
    return found


def paint_mark(painter: QPainter, shape: str, centre: QPointF, token: str, look: Tokens) -> None:
    """A state's shape about a point, 9 px wide."""
    colour = look.colour(token)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 1.6, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    painter.setBrush(colour if shape in ("dot", "square") else Qt.BrushStyle.NoBrush)
    x, y = centre.x(), centre.y()
    if shape in ("dot", "ring", "half"):
        painter.drawEllipse(centre, 3.6, 3.6)
        if shape == "half":
            painter.setBrush(colour)
            painter.drawPie(QRectF(x - 3.6, y - 3.6, 7.2, 7.2), 90 * 16, 180 * 16)
    elif shape == "square":
        painter.drawRect(QRectF(x - 3, y - 3, 6, 6))
    elif shape == "check":
        painter.drawPolyline([QPointF(x - 4, y + 0.2), QPointF(x - 1.2, y + 3), QPointF(x + 4, y - 3.2)])
    elif shape == "cross":
        painter.drawLine(QPointF(x - 3.2, y - 3.2), QPointF(x + 3.2, y + 3.2))
        painter.drawLine(QPointF(x - 3.2, y + 3.2), QPointF(x + 3.2, y - 3.2))
    else:
        painter.drawPolygon([QPointF(x, y - 4), QPointF(x + 4, y + 3.4), QPointF(x - 4, y + 3.4)])


class _State(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = index.model()
        super().paint(painter, option, QModelIndex())
        if not isinstance(model, RunsModel):
            return
        word, token, shape = STATES.get(model.row(index).state, (model.row(index).state, "muted", "ring"))
        rect = QRectF(option.rect)
        painter.save()
        paint_mark(painter, shape, QPointF(rect.left() + SPACE_3 + 3, rect.center().y()), token, tokens())
        painter.setPen(tokens().colour(token))
        painter.setFont(theme().font())
        painter.drawText(rect.adjusted(SPACE_3 + 14, 0, 0, 0), int(Qt.AlignmentFlag.AlignVCenter), tr(word))
        painter.restore()


class _Progress(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = index.model()
        super().paint(painter, option, QModelIndex())
        if not isinstance(model, RunsModel):
            return
        row, look = model.row(index), tokens()
        rect = QRectF(option.rect)
        bar = QRectF(rect.left() + SPACE_3, rect.center().y() - 2.5, max(10.0, rect.width() - 3 * SPACE_2), 5)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.colour("line"))
        painter.drawRoundedRect(bar, 2.5, 2.5)
        share = min(1.0, max(0.0, row.done or 0.0))
        if share > 0:
            busy = row.state in ("running", "starting")
            token = "accent" if busy else "edge" if row.state == "finished" else STATES.get(row.state, ("", "muted"))[1]
            painter.setBrush(look.colour(token))
            painter.drawRoundedRect(QRectF(bar.left(), bar.top(), max(5.0, bar.width() * share), 5), 2.5, 2.5)
        painter.restore()


class RunsTable(QFrame):
    """The runs with a filter above them.

    Signals:
        asked: what the user wants and for which runs: "stop", "cancel", "resume", "log", "folder", "delete", and ids.
        opened: the id of a run that was double-clicked or chosen with Enter.
        selected: the ids that are selected now.
    """

    asked = Signal(str, object)
    opened = Signal(str)
    selected = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.model = RunsModel(self)
        self._heading = Label("", "section")
        self._counts = Label("", "caption")
        self.filter = QLineEdit()
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self.model.set_filter)
        self.view = _View(self)
        self._top = QHBoxLayout()
        self._top.setContentsMargins(SPACE_3, SPACE_2, SPACE_3, 2)
        self._top.setSpacing(SPACE_3)
        self._top.addWidget(self._heading)
        self._top.addWidget(self._counts, 1)
        self._top.addWidget(self.filter)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, SPACE_2)
        column.setSpacing(0)
        column.addLayout(self._top)
        column.addWidget(self.view, 1)
        theme().changed.connect(self._fit)
        self._fit()
        live(self._say)

    def _fit(self) -> None:
        self.filter.setMaximumWidth(theme().px(190))
        self.view.fit()

    def _say(self) -> None:
        self._heading.setText(tr("Runs"))
        self.filter.setPlaceholderText(tr("Filter"))
        self.filter.setAccessibleName(tr("Filter runs"))
        self.view.setAccessibleName(tr("Runs"))
        self.view.horizontalHeader().viewport().update()
        self.view.viewport().update()
        self._count()

    def add_widget(self, widget: QWidget) -> None:
        """Put a widget, such as a fold button, at the right end of the top line."""
        self._top.addWidget(widget)

    def set_rows(self, rows: Sequence[RunRow]) -> None:
        """Show these runs, in this order."""
        self.model.set_rows(rows)
        self._count()

    def _count(self) -> None:
        counts = self.model.counts()
        parts = [f"{counts[state]} {tr(word)}" for state, (word, _, _) in STATES.items() if counts.get(state)]
        parts.sort(key=lambda part: "finished" in part)
        self._counts.setText("  ·  ".join(parts) if parts else tr("none yet"))

    def ids(self) -> list[str]:
        """The selected runs, from top to bottom."""
        return [
            self.model.row(index).id
            for index in sorted(self.view.selectionModel().selectedRows(), key=lambda i: i.row())
        ]

    def menu(self) -> QMenu | None:
        """The context menu for the selected runs; None without a selection."""
        rows = [self.model.row(index) for index in self.view.selectionModel().selectedRows()]
        if not rows:
            return None
        busy = any(row.state in ("running", "starting", "stopping") for row in rows)
        queued = any(row.state == "queued" for row in rows)
        ended = any(row.state in ("stopped", "failed", "lost") for row in rows)
        menu = QMenu(self)
        for verb, text, name, enabled in (
            ("stop", tr("Stop; it can be resumed"), "stop", busy or queued),
            ("cancel", tr("Cancel at once"), "cancel", busy or queued),
            ("resume", tr("Resume"), "play", ended),
            ("", "", "", False),
            ("log", tr("Show log"), "log", len(rows) == 1),
            ("folder", tr("Open folder"), "folder", True),
            ("", "", "", False),
            ("delete", tr("Delete …"), "delete", not busy and not queued),
        ):
            if not verb:
                menu.addSeparator()
                continue
            action = menu.addAction(icon(name), text)
            action.setEnabled(enabled)
            action.setData(verb)
            action.triggered.connect(lambda _=False, verb=verb: self.asked.emit(verb, self.ids()))
        menu.aboutToHide.connect(menu.deleteLater)
        return menu


class _View(QTableView):
    """The view of the table, with its columns, keys and menu."""

    def __init__(self, table: RunsTable) -> None:
        super().__init__()
        self._table = table
        self.setModel(table.model)
        self.setShowGrid(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setItemDelegateForColumn(COLUMNS.index("state"), _State(self))
        self.setItemDelegateForColumn(COLUMNS.index("progress"), _Progress(self))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(60)
        header.setSectionResizeMode(COLUMNS.index("progress"), QHeaderView.ResizeMode.Stretch)
        self.doubleClicked.connect(lambda index: table.opened.emit(table.model.row(index).id))
        self.selectionModel().selectionChanged.connect(lambda *_: table.selected.emit(table.ids()))
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._open_menu)

    def fit(self) -> None:
        """Give rows and columns the sizes that suit the user's font size."""
        self.verticalHeader().setDefaultSectionSize(theme().px(25))
        for column, width in (("run", 210), ("study", 170), ("state", 110), ("left", 110), ("device", 90)):
            self.setColumnWidth(COLUMNS.index(column), theme().px(width))

    def _open_menu(self, at: QPoint) -> None:
        menu = self._table.menu()
        if menu is not None:
            menu.popup(self.viewport().mapToGlobal(at))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        ids = self._table.ids()
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and ids:
            self._table.opened.emit(ids[0])
        elif event.key() == Qt.Key.Key_Delete and ids:
            self._table.asked.emit("delete", ids)
        else:
            super().keyPressEvent(event)
