"""A card: one picture with its title, caption and buttons; it saves, copies and tabulates what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFileDialog, QFrame, QHBoxLayout, QMenu, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from app.shell.errors import report
from app.shell.icons import icon
from app.shell.text import live, tr
from app.shell.theme import SPACE_2, SPACE_3, theme
from app.widgets import export
from app.widgets.labels import ElidedLabel, Label, Sentence, tool
from app.widgets.plot import Plot
from app.widgets.table_view import TableDialog
from engine.errors import EngineError

_THROUGH_QT = re.compile(r"^(Error calling Python override of \S+: )+")


class PictureFailed(EngineError):
    """Raised in place of whatever a picture raised while it was painted."""

    what = "The picture “{title}” failed."
    why = "{reason}."
    remedy = "The numbers behind it are kept. Please report it with the log."


@runtime_checkable
class Known(Protocol):
    """What knows where its pictures come from: a tab."""

    def provenance(self) -> str:
        """Lines for every saved file: the runs behind what is shown."""


def _provenance(widget: QWidget) -> str:
    """What the tab says in which a widget stands; "" outside of any."""
    place = widget.parentWidget()
    while place is not None and not isinstance(place, Known):
        place = place.parentWidget()
    return place.provenance() if place is not None else ""


class Card(QFrame):
    """A titled frame around one picture. What goes wrong is shown in the notices of its tab or window.

    Signals:
        maximise: the user wants this card alone on the page, or back among the others.
        failed: painting or saving went wrong, with the EngineError that says why.
        saved: the file that was written.
    """

    maximise = Signal()
    failed = Signal(object)
    saved = Signal(object)

    def __init__(self, title: str, caption: str = "", empty: str = "", parent: QWidget | None = None) -> None:
        """``title``, ``caption`` and ``empty`` (what will appear here, one sentence) are English and get translated."""
        super().__init__(parent)
        self._title, self._caption, self._empty = title, caption, empty
        self._caption_params: dict[str, object] = {}
        self._absent: tuple[str, dict[str, object]] = (empty, {})
        self._names_body = False
        self._extra: list[tuple[str, Callable[[], object], str]] = []
        self._body: QWidget | None = None
        self._maximised = False
        self._told: set[str] = set()
        self.failed.connect(lambda error: report(self, error))
        self.setProperty("role", "card")
        self.setMinimumSize(240, 200)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._build()
        live(self._say)

    def _build(self) -> None:
        self._heading = Label("", "section")
        self._note = ElidedLabel("", "caption")
        self._save = tool("save", "", self._ask_file)
        self._expand = tool("expand", "", self.maximise.emit)
        self._more = tool("more", "", self._open_menu)
        self._bar = QWidget()
        self._bar.setObjectName("cardBar")
        self._bar.installEventFilter(self)
        row = QHBoxLayout(self._bar)
        row.setContentsMargins(SPACE_3, SPACE_2 - 2, SPACE_2 - 2, 0)
        row.setSpacing(SPACE_3)
        row.addWidget(self._heading)
        row.addWidget(self._note, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(0)
        for button in (self._save, self._expand, self._more):
            buttons.addWidget(button)
        row.addLayout(buttons)
        self._buttons = buttons
        self._under = ElidedLabel("", "caption")
        self._under.setIndent(0)
        self._line = QWidget()
        line = QHBoxLayout(self._line)
        line.setContentsMargins(SPACE_3, 0, SPACE_3, 0)
        line.addWidget(self._under)
        self._line.hide()
        self._sentence = Sentence("", "muted", wrap=True)
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._sentence.setContentsMargins(24, 12, 24, 12)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._sentence)
        self._save.setEnabled(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(0)
        column.addWidget(self._bar)
        column.addWidget(self._line)
        column.addLayout(self._stack, 1)

    def _say(self) -> None:
        self._heading.setText(tr(self._title))
        self._say_caption()
        self._say_absent()
        for button, text in (
            (self._save, tr("Save {title} as a file", title=tr(self._title))),
            (self._more, tr("More for {title}", title=tr(self._title))),
        ):
            button.say(text)
        self._say_expand()
        self.setAccessibleName(tr(self._title))
        if self._body is not None and self._names_body:
            self._body.setAccessibleName(tr(self._title))

    def _say_caption(self) -> None:
        text = tr(self._caption, **self._caption_params)
        self._note.setText(text)
        self._under.setText(text)
        self._place_caption()

    def _place_caption(self) -> None:
        """Beside the title where all of it fits there, else on a line below, which has no buttons."""
        taken = 3 * SPACE_3 + SPACE_2 + self._buttons.sizeHint().width()  # margins, spaces and the frame
        room = self.width() - taken - self._heading.sizeHint().width()
        below = self._note.sizeHint().width() > room
        self._note.setVisible(not below)
        self._line.setVisible(below)

    def _say_absent(self) -> None:
        template, params = self._absent
        self._sentence.setText(tr(template, **params))

    def _say_expand(self) -> None:
        template = tr("Show all cards again") if self._maximised else tr("Maximise {title}", title=tr(self._title))
        self._expand.setIcon(icon("collapse" if self._maximised else "expand"))
        self._expand.say(template)

    # State -----------------------------------------------------------------------------------------------------------
    @property
    def title(self) -> str:
        """The title in English."""
        return self._title

    @property
    def body(self) -> QWidget | None:
        """The picture."""
        return self._body

    def set_body(self, widget: QWidget) -> None:
        """Put the picture in; it is shown once ``show_body`` is called or, for a plot, as soon as it has data."""
        if self._body is not None:
            self._stack.removeWidget(self._body)
            self._body.deleteLater()
        self._body = widget
        self._names_body = not widget.accessibleName()
        if self._names_body:
            widget.setAccessibleName(tr(self._title))
        self._stack.addWidget(widget)
        if isinstance(widget, Plot):
            widget.filled.connect(self._filled)
            # Later, because a widget cannot be hidden while it paints.
            widget.broke.connect(self._broke, Qt.ConnectionType.QueuedConnection)
            self._filled(not widget.is_empty())
        else:
            self.show_body()

    def _filled(self, full: bool) -> None:
        if full:
            self.show_body()
        elif self._empty:
            self.show_empty()

    def _broke(self, error: Exception | None) -> None:
        if error is None:
            self._filled(isinstance(self._body, Plot) and not self._body.is_empty())
            return
        reason = f"{type(error).__name__}: {_THROUGH_QT.sub('', str(error))}".rstrip(".: ")
        self.show_empty("This picture failed: {reason}", reason=reason)
        if reason not in self._told:
            self._told.add(reason)
            failure = PictureFailed(title=tr(self._title), reason=reason)
            failure.__cause__ = error
            self.failed.emit(failure)

    def set_caption(self, template: str, **params: object) -> None:
        """One line saying what is plotted and with what data: English template and its values."""
        self._caption, self._caption_params = template, params
        self._say_caption()

    def show_empty(self, template: str = "", **params: object) -> None:
        """Show one sentence instead of the picture: what will appear, why it cannot, or that it is on its way."""
        self._absent = (template or self._empty, params)
        self._say_absent()
        self._stack.setCurrentWidget(self._sentence)
        self._save.setEnabled(False)

    def show_body(self) -> None:
        """Show the picture."""
        if self._body is not None:
            self._stack.setCurrentWidget(self._body)
            self._save.setEnabled(True)

    def is_empty(self) -> bool:
        """Whether the sentence is shown."""
        return self._stack.currentWidget() is self._sentence

    def set_maximised(self, maximised: bool) -> None:
        """Tell the card that it stands alone on its page."""
        self._maximised = maximised
        self._say_expand()

    def add_action(self, text: str, handler: Callable[[], object], icon_name: str = "") -> None:
        """Add an entry to the more menu, such as "Open in Tails"; ``text`` is English."""
        self._extra.append((text, handler, icon_name))

    # Menu ------------------------------------------------------------------------------------------------------------
    def menu(self) -> QMenu:
        """The more menu, made for this moment."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        body, filled = self._body, not self.is_empty()
        for text, handler, name in self._extra:
            action = menu.addAction(tr(text))
            action.triggered.connect(lambda _=False, call=handler: call())
            if name:
                action.setIcon(icon(name))
        if self._extra:
            menu.addSeparator()
        if isinstance(body, Plot):
            for text, on, switch in body.choices():
                action = menu.addAction(text)
                action.setCheckable(True)
                action.setChecked(on)
                action.toggled.connect(switch)
            menu.addAction(icon("reset"), tr("Reset view")).triggered.connect(lambda _=False: body.fit_view())
            menu.addSeparator()
        tabular = isinstance(body, export.Picture)
        for text, name, call, possible in (
            (tr("Copy image"), "copy", self._copy, True),
            (tr("View as table"), "table", self.view_table, tabular),
            (tr("Save as PNG, SVG, PDF or CSV …"), "save", self._ask_file, True),
        ):
            action = menu.addAction(icon(name), text)
            action.triggered.connect(lambda _=False, call=call: call())
            action.setEnabled(filled and possible)
        menu.aboutToHide.connect(menu.deleteLater)
        return menu

    def _open_menu(self) -> None:
        self.menu().popup(self._more.mapToGlobal(QPoint(0, self._more.height() + 2)))

    def _copy(self) -> None:
        if self._body is not None:
            export.copy(self._body)

    def view_table(self) -> TableDialog | None:
        """Open the numbers behind the picture in a window of their own."""
        if self._body is None:
            return None
        try:
            table = export.numbers(self._body)
        except EngineError as error:
            self.failed.emit(error)
            return None
        dialog = TableDialog(tr(self._title), table, self)
        dialog.open()
        return dialog

    def _ask_file(self) -> None:
        dialog = QFileDialog(self, tr("Save {title}", title=tr(self._title)))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        filters = [f"{kind.upper()} (*.{kind})" for kind in export.FORMATS]
        dialog.setNameFilters(filters)
        dialog.setDefaultSuffix("png")
        dialog.filterSelected.connect(lambda text: dialog.setDefaultSuffix(text.split(" ")[0].lower()))
        dialog.selectFile(tr(self._title).replace("/", "-"))
        dialog.fileSelected.connect(lambda name: self.save_to(Path(name)))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def save_to(self, path: Path, *, light: bool = True) -> None:
        """Write the picture; the suffix chooses the format. ``light``: on white, whatever the screen shows."""
        if self._body is None:
            return
        try:
            export.save(self._body, path, light=light, title=tr(self._title), notes=self._notes())
        except EngineError as error:
            self.failed.emit(error)
        else:
            self.saved.emit(path)

    def _notes(self) -> str:
        said = f"{tr(self._title)}: {self._note.text()}".rstrip(": ")
        return "\n".join(part for part in (said, _provenance(self)) if part)

    # Events ----------------------------------------------------------------------------------------------------------
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._bar and isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonDblClick:
            self.maximise.emit()
            return True
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._maximised:
            self.maximise.emit()
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._place_caption()
        super().resizeEvent(event)

    def sizeHint(self) -> QSize:
        return QSize(theme().px(380), theme().px(300))
