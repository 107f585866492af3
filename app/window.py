"""The main window: the rail of tabs, the tab in front, the runs below, notices above."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.shell import closing, translation
from app.shell.actions import Actions, Command
from app.shell.errors import Reporter
from app.shell.header import Header
from app.shell.runs import RunsService
from app.shell.runs_dock import RunsDock
from app.shell.settings import Settings
from app.shell.statusline import StatusLine
from app.shell.text import tr
from app.shell.theme import SPACE_2, SPACE_3, SPACE_4, Mode, theme
from app.tabs.base import Services, TabView
from app.tabs.catalogue import TabInfo, tabs
from app.widgets.notices import Notices
from app.widgets.rail import NavRail
from engine.errors import EngineError
from engine.runs.folder import is_run

FOLDED = 44


class NothingOpensThis(EngineError):
    """Raised when a dropped or named file fits no tab."""

    what = "{name} was not opened."
    why = "No tab reads this kind of file."
    remedy = "Drop a Python model file, a table (.csv, .tsv), a NumPy archive (.npz) or an exported run (.zip)."


class MainWindow(QMainWindow):
    """The window.

    Signals:
        painted: once, when the first picture of the window has been drawn.
        ready: once, when the first tab stands in it.
    """

    painted = Signal()
    ready = Signal()
    _painted = _closing = False  # events arrive while __init__ is still at work

    def __init__(self, runs_dir: Path | None, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.services = Services(RunsService(runs_dir, self))
        self.reporter = Reporter(self)
        self.tabs: list[TabInfo] = tabs()
        self._views: dict[str, TabView] = {}
        self.setWindowTitle("Theodolite")
        self.setAcceptDrops(True)
        self.setMinimumSize(QSize(900, 600))
        self.resize(1280, 800)
        self._build()
        self._register()
        self.restoreGeometry(settings.geometry)
        self.services.runs.failed.connect(self.report)
        self.rail.set_current(self.tabs[0].id)
        self.header.show_tab(self.tabs[0].title, "", False)

    # Building --------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.rail = NavRail()
        for tab in self.tabs:
            self.rail.add(tab.id, tab.title, tab.icon, tab.group)
        self.rail.chosen.connect(self.show_tab)
        self.header = Header()
        self.header.export.connect(self.export)
        self.header.copy_python.connect(self.copy_python)
        self.header.view.connect(self.open_view_menu)
        self.stack = QStackedWidget()
        self.dock = RunsDock(self.services.runs)
        self.dock.opened.connect(self.open_run)
        self.dock.folded.connect(self.fold_dock)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setHandleWidth(SPACE_2 + 2)
        self.split.addWidget(self.stack)
        self.split.addWidget(self.dock)
        self.split.setStretchFactor(0, 1)
        self.split.setStretchFactor(1, 0)
        self.split.setCollapsible(0, False)
        self.split.setCollapsible(1, False)
        self.split.setSizes([600, self.settings.dock_height])
        self.dock.setMinimumHeight(FOLDED)
        self.status = StatusLine()
        self.status.known.connect(self._engine_known)
        body = QVBoxLayout()
        body.setContentsMargins(SPACE_3, SPACE_3, SPACE_3, SPACE_2)
        body.setSpacing(SPACE_2)
        for widget, stretch in ((self.header, 0), (Notices(self.reporter), 0), (self.split, 1), (self.status, 0)):
            body.addWidget(widget, stretch)
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addLayout(body, 1)
        centre = QWidget()
        centre.setLayout(row)
        self.setCentralWidget(centre)

    def _register(self) -> None:
        """All that the window can do; the menu-less window has them as shortcuts, the palette lists them later."""
        self.actions_ = Actions(self)
        self.actions_.add_all(
            [
                Command("run.start", "Run what is set up", lambda: self.front().run(), "Ctrl+Return", "play"),
                Command("file.open", "Open a file …", self.ask_open, "Ctrl+O", "open"),
                Command("run.export", "Export the shown run …", self.export, "Ctrl+E", "upload", self.can_export),
                Command("edit.undo", "Undo the last change", lambda: self.front().undo(), "Ctrl+Z", "undo"),
                Command("edit.redo", "Redo the last change", lambda: self.front().redo(), "Ctrl+Shift+Z", "redo"),
                Command("copy.python", "Copy as Python", self.copy_python, "Ctrl+Shift+C", "copy"),
                Command("view.runs", "Fold or unfold the runs", self.fold_dock, "Ctrl+J", "runs", menu="View"),
                Command(
                    "view.theme",
                    "Switch between light and dark",
                    self.switch_theme,
                    "Ctrl+Shift+L",
                    "moon",
                    menu="View",
                ),
                Command("window.close", "Close the window", self.close, "Ctrl+W", "close"),
            ]
        )
        for code, name in {"system": "Language of the system", **translation.LANGUAGES}.items():
            say, spoken = partial(self.choose_language, code), partial(self._speaks, code)
            self.actions_.add(Command(f"language.{code}", name, say, menu="View", checked=spoken))
        for index, tab in enumerate(self.tabs[:9]):
            show = partial(self.show_tab, tab.id)
            self.actions_.add(Command(f"tab.{tab.id}", tab.title, show, f"Ctrl+{index + 1}", tab.icon))

    # Tabs ------------------------------------------------------------------------------------------------------------
    @property
    def current_tab(self) -> str:
        """Id of the tab in front."""
        return next((id for id, view in self._views.items() if view is self.stack.currentWidget()), "")

    def front(self) -> TabView:
        """The tab in front."""
        return self.view(self.current_tab)

    def view(self, tab: str) -> TabView:
        """A tab's view, made when it is first asked for."""
        if tab not in self._views:
            view = next(item for item in self.tabs if item.id == tab).load()(self.services)
            view.failed.connect(self.report)
            view.headline.connect(self._show_header)
            view.set_engine_missing(self.status.engine_missing)
            self._views[tab] = view
            self.stack.addWidget(view)
        return self._views[tab]

    def show_tab(self, tab: str) -> None:
        """Bring a tab to the front."""
        self.stack.setCurrentWidget(self.view(tab))
        self.rail.set_current(tab)
        self._show_header()
        self.front().shown()

    def _show_header(self, _headline: str = "") -> None:
        if info := next((item for item in self.tabs if item.id == self.current_tab), None):
            self.header.show_tab(info.title, self.front().headline_text, self.can_export())

    def open_run(self, run: str) -> None:
        """Show a run in the tab that knows its task."""
        try:
            found = next((info for info in self.tabs if self.view(info.id).open_run(run)), None)
        except EngineError as error:  # it was removed meanwhile, or cannot be read
            self.report(error)
            return
        if found is not None:
            self.show_tab(found.id)

    def open_files(self, paths: Sequence[Path]) -> None:
        """Open files where they belong: in the tab in front if it takes them, else in the first that does.

        Runs from elsewhere, as folders or zip files, are copied to the runs here.
        """
        for path in paths:
            if path.suffix.lower() == ".zip" or is_run(path):
                here = path.resolve().parent == self.services.root.resolve()
                self.open_run(path.name) if here else self.services.runs.import_(path, self.open_run)
                continue
            order = sorted(self.tabs, key=lambda tab: tab.id != self.current_tab)
            fitting = (tab for tab in order if path.suffix.lower() in tab.suffixes)
            taken = next((tab for tab in fitting if self.view(tab.id).open_files([path])), None)
            if taken is None:
                self.report(NothingOpensThis(name=path.name))
            else:
                self.show_tab(taken.id)

    # Commands --------------------------------------------------------------------------------------------------------
    def report(self, error: EngineError) -> None:
        """Show an error in the notices."""
        self.reporter.error(error)

    def ask_open(self) -> None:
        """Choose files to open."""
        suffixes = {".zip", *(suffix for tab in self.tabs for suffix in tab.suffixes)}
        patterns = " ".join(f"*{suffix}" for suffix in sorted(suffixes))
        dialog = QFileDialog(self, tr("Open files"), "", tr("Files ({patterns})", patterns=patterns))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(lambda names: self.open_files([Path(name) for name in names]))
        dialog.open()

    def can_export(self) -> bool:
        """Whether the tab in front shows a run."""
        return bool(self.current_tab and self.front().shown_runs())

    def export(self) -> None:
        """Choose a file and write the shown run into it."""
        if not self.can_export():
            return
        run = self.front().shown_runs()[-1]
        dialog = QFileDialog(self, tr("Export a run"), f"{run}.zip", tr("Zip files (*.zip)"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("zip")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda name: self.export_to(run, Path(name)))
        dialog.open()

    def export_to(self, run: str, path: Path) -> None:
        """Write a run into a zip file."""
        self.services.runs.export(run, path, lambda _: self.reporter.tell("good", "Saved as {name}.", name=path.name))

    def copy_python(self) -> None:
        """Put the engine calls of the tab in front on the clipboard."""
        QGuiApplication.clipboard().setText(self.front().python())
        self.reporter.tell("good", "Copied the engine calls that repeat this.")

    def fold_dock(self) -> None:
        """Make the runs a single line, or as high as they were."""
        height = self.dock.height()
        if height > FOLDED + SPACE_4:
            self.settings.dock_height = height
            self.split.setSizes([self.split.height(), FOLDED])
        else:
            self.split.setSizes([self.split.height(), max(self.settings.dock_height, 150)])

    def switch_theme(self) -> None:
        """Light to dark or back; remembered."""
        mode: Mode = "light" if theme().tokens.dark else "dark"
        self.settings.theme = mode
        theme().set_mode(mode)

    def choose_language(self, choice: str) -> None:
        """Show all texts in another language; remembered."""
        self.settings.language = choice
        try:
            translation.use(choice)
        except EngineError as error:
            self.reporter.error(error, level="warn")

    def _speaks(self, choice: str) -> bool:
        return self.settings.language == choice

    def view_menu(self) -> QMenu:
        """How the window looks and which language it speaks."""
        menu = self.actions_.menu("View", order=("view.runs", "view.theme", "-"))
        menu.aboutToHide.connect(menu.deleteLater)
        return menu

    def open_view_menu(self) -> None:
        """Show that menu below its button."""
        button = self.header.view_button
        self.view_menu().popup(button.mapToGlobal(button.rect().bottomLeft()))

    def engine_missing(self) -> str:
        """Why no study can run here (a sentence), or ""."""
        return self.status.engine_missing

    def _engine_known(self, missing: str) -> None:
        for view in self._views.values():
            view.set_engine_missing(missing)

    # Life ------------------------------------------------------------------------------------------------------------
    def event(self, event: QEvent) -> bool:
        """Notice the first painting; tabs and services begin after it."""
        handled = super().event(event)
        if not self._painted and event.type() == QEvent.Type.Paint:
            self._painted = True
            QTimer.singleShot(0, self, self._begin)
        return handled

    def _begin(self) -> None:
        """Build the first tab only now, so that the window is there at once."""
        self.painted.emit()
        if not self.current_tab:
            self.show_tab(self.tabs[0].id)
        self.ready.emit()
        self.services.runs.begin()
        self.status.begin()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files are welcome anywhere."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        self.open_files([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask when runs are going; they can go on without the window."""
        running = self.services.runs.running
        if running and not self._closing:
            event.ignore()
            closing.ask(self, len(running), go_on=self.close_for_good, stop=self._stop_and_close)
            return
        self._end()
        event.accept()

    def _stop_and_close(self) -> None:
        for run in self.services.runs.running:
            self.services.runs.stop(run)
        self.close_for_good()

    def close_for_good(self) -> None:
        """Close without asking; runs go on by themselves."""
        self._closing = True
        self.close()

    def _end(self) -> None:
        if self.property("ended"):
            return
        self.setProperty("ended", True)
        self.settings.geometry = self.saveGeometry()
        self.hide()  # what follows may wait for a call to the engine to come back
        for view in self._views.values():
            view.close_tab()
        self.services.runs.close()
        self.status.close_line()
        if isinstance(application := QApplication.instance(), QApplication):
            application.quit()
