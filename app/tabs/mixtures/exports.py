"""What can be taken away from a mixture: a menu of files and of code for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMenu, QToolButton, QWidget

from app.shell.background import Background
from app.shell.icons import icon
from app.shell.text import live, tr
from app.tabs.mixtures import files, model_card
from app.tabs.mixtures.model import MixturesModel
from engine.errors import EngineError
from engine.studies.mixture.kinds import Fitted

Write = Callable[[Path, Fitted], None]


class Exports(QObject):
    """The button with the menu, and what its entries do.

    Signals:
        failed: an EngineError for the notices. saved: the file that was written.
    """

    failed = Signal(object)
    saved = Signal(object)

    def __init__(self, model: MixturesModel, parent: QWidget) -> None:
        super().__init__(parent)
        self.model = model
        self._parent = parent
        self._background: Background | None = None
        self.button = QToolButton(parent)
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.button.setIcon(icon("upload"))
        self.menu = QMenu(parent)
        self.menu.aboutToShow.connect(self.fill)
        self.button.setMenu(self.menu)
        live(self._say)

    def _say(self) -> None:
        self.button.setToolTip(tr("Save labels, parameters, or code for other programs"))
        self.button.setAccessibleName(tr("Save or copy the mixture"))

    def fill(self) -> None:
        """List what can be taken away now."""
        self.menu.clear()
        for text, name, call in (
            ("Save labels and memberships …", "table", self.ask_labels),
            ("Save parameters (JSON) …", "save", self.ask_parameters),
            ("Save arrays for scikit-learn (NPZ) …", "save", self.ask_arrays),
            ("Save R script for mclust, with its rows …", "save", self.ask_mclust),
            ("Save model card (Markdown) …", "save", self.ask_card),
            ("Copy Python for scikit-learn", "copy", self.copy_scikit_learn),
        ):
            action = self.menu.addAction(icon(name), tr(text))
            action.triggered.connect(lambda _checked=False, call=call: call())
            action.setEnabled(self.model.mixture is not None)

    def close_exports(self) -> None:
        """Finish what is being written."""
        if self._background is not None:
            self._background.close()
            self._background = None

    # Files -----------------------------------------------------------------------------------------------------------
    def ask_labels(self) -> None:
        """Choose a file for labels and memberships."""
        source, stability = self._label_file(), self.model.stability

        def write(found: Fitted, path: Path) -> None:
            if source is not None and found.took_part > len(found.x):
                files.copy(source, path)  # the mixture holds only a part of the rows, the run's own table all
            else:
                files.save(path, files.labels_csv(found, stability))

        self._ask("labels.csv", lambda path, found: write(found, path))

    def _label_file(self) -> Path | None:
        reader = self.model.readers.get("fit")
        ref = reader.artifacts.get("labels") if reader is not None else None
        if reader is None or ref is None:
            return None
        return reader.folder / "artifacts" / f"{ref.name}.{ref.version or 0:04d}" / "table.csv"

    def ask_parameters(self) -> None:
        """Choose a file for the parameters."""
        self._ask_text("mixture.json", files.parameters_json)

    def ask_arrays(self) -> None:
        """Choose a file for arrays that scikit-learn's mixture takes."""
        self._ask("mixture.npz", files.save_npz)

    def ask_mclust(self) -> None:
        """Choose a file for an R script; the rows that it reads are written beside it."""

        def write(path: Path, found: Fitted) -> None:
            rows = path.with_suffix(".csv")
            text = files.mclust_script(found, rows.name)
            files.save(rows, files.rows_csv(found))
            files.save(path, text)

        self._ask("mixture.R", write)

    def ask_card(self) -> None:
        """Choose a file for the model card."""
        self._ask_text("model card.md", lambda _found: model_card.markdown(self.model))

    def copy_scikit_learn(self) -> None:
        """Put Python that rebuilds the mixture on the clipboard."""
        if self.model.mixture is not None:
            try:
                QGuiApplication.clipboard().setText(files.scikit_learn(self.model.mixture))
            except EngineError as error:
                self.failed.emit(error)

    def _ask_text(self, name: str, text: Callable[[Fitted], str]) -> None:
        self._ask(name, lambda path, found: files.save(path, text(found)))

    def _ask(self, name: str, write: Write) -> None:
        if self.model.mixture is None:
            return
        suffix = name.rpartition(".")[2]
        dialog = QFileDialog(self._parent, tr("Save {name}", name=name), name, f"{suffix.upper()} (*.{suffix})")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.selectFile(name)
        dialog.fileSelected.connect(lambda path: self.save(Path(path), write))
        dialog.open()

    def save(self, path: Path, write: Write) -> None:
        """Write a file beside the window's thread; what goes wrong is told in the notices."""
        found = self.model.mixture
        if found is None:
            return
        if self._background is None:
            self._background = Background(self)
        self._background.do(lambda: write(path, found), lambda _none: self.saved.emit(path), self.failed.emit)
