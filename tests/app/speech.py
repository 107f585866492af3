"""What a window says: every text in it that a person may read or hear, for tests of languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QModelIndex, Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QComboBox,
    QLabel,
    QLineEdit,
    QTabBar,
    QTableWidget,
    QWidget,
)

from app.widgets.card import Card
from app.widgets.numbers import NumbersModel
from app.widgets.plot import Plot

HAN = re.compile("[\u4e00-\u9fff]")
WORD = re.compile("[A-Za-z]{3}")
ROLES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole)


def said(root: QWidget) -> set[str]:
    """All texts in a widget and below it, hidden ones included."""
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)  # what is only waiting to go says nothing
    return {text for widget in (root, *root.findChildren(QWidget)) for text in _said(widget) if text}


def english(texts: set[str]) -> set[str]:
    """Those of the texts that have a Latin word and no Chinese character."""
    return {text for text in texts if WORD.search(text) and not HAN.search(text)}


def _said(widget: QWidget) -> Iterator[str]:
    yield widget.accessibleName()
    yield widget.toolTip()
    yield widget.whatsThis()
    if isinstance(widget, QLabel | QAbstractButton):
        yield widget.text()
    elif isinstance(widget, QLineEdit):
        yield widget.placeholderText()
    elif isinstance(widget, QComboBox):
        yield from (widget.itemText(index) for index in range(widget.count()))
    elif isinstance(widget, QTabBar):
        yield from (widget.tabText(index) for index in range(widget.count()))
    elif isinstance(widget, Plot):
        yield from _of_plot(widget)
    elif isinstance(widget, Card):
        menu = widget.menu()
        yield from (action.text() for action in menu.actions())
        menu.deleteLater()
    elif isinstance(widget, QAbstractItemView):
        yield from _of_view(widget)


def _of_plot(plot: Plot) -> Iterator[str]:
    if plot.is_empty():
        return
    yield from (entry.name for entry in plot.entries())
    yield from (axis.title() for axis in plot.axes)
    yield from (choice[0] for choice in plot.choices())
    yield plot.summary()
    yield from plot.table().headers


def _of_view(view: QAbstractItemView) -> Iterator[str]:
    model: Any = view.model()
    if model is None:
        return
    columns = 1 if isinstance(model, NumbersModel) else model.columnCount(QModelIndex())
    heads = range(columns) if isinstance(view, QTableWidget) else ()
    yield from (str(model.headerData(n, Qt.Orientation.Horizontal) or "") for n in heads)
    for row in range(min(40, model.rowCount(QModelIndex()))):
        for column in range(columns):
            found = (model.data(model.index(row, column), role) for role in ROLES)
            yield from (text for text in found if isinstance(text, str))
