"""The Landscape tab: settings at the left, pictures in the middle, numbers at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QHBoxLayout, QStackedWidget

from app.shell.errors import why
from app.shell.snippet import script
from app.shell.text import live, tr
from app.shell.theme import SPACE_3
from app.tabs.base import Services, TabView
from app.tabs.landscape import TAB
from app.tabs.landscape.model import TASKS, LandscapeModel, preset
from app.tabs.landscape.own_code import ask_consent, confirmed, with_data, with_model
from app.tabs.landscape.sheets import PAGES, Sheets
from app.tabs.landscape.spot import NotesPanel, SpotPanel
from app.tabs.setup import SetupPanel
from app.widgets.drawer import NumbersSide
from app.widgets.empty import EmptyState
from app.widgets.numbers import Number, NumbersPanel
from engine.errors import EngineError
from engine.models.config import UserModel
from engine.studies.landscape.config import LandscapeConfig

SIMPLE = (
    "train.model",
    "train.data",
    "train.epochs",
    "surface.directions",
    "surface.resolution",
    "surface.radius",
    "hessian",
    "connect",
    "similarity",
    "sharpness",
    "line",
)


class StageFailed(EngineError):
    """Raised when one of the shown runs failed."""

    what = "{title}: {reason}"


class LandscapeView(TabView):
    """The tab."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.model = LandscapeModel()
        self.setup = SetupPanel(LandscapeConfig, SIMPLE, services.runs.artifacts, check=self._check)
        self.setup.run.connect(self.start)
        self.setup.changed.connect(self._changed)
        self.sheets = Sheets(self.model)
        self.cards = self.sheets.cards
        self.numbers = NumbersPanel()
        self.notes = NotesPanel()
        self.spot = SpotPanel()
        self.empty = EmptyState(TAB.title, TAB.summary, TAB.icon)
        self._told: set[str] = set()
        self.empty.example.connect(self.example)
        self.sheets.chosen.connect(self.show_page)
        self.sheets.field_chosen.connect(lambda _field: self._move(*self.model.cursor))
        self.cards.moved.connect(self._move)
        self.spot.failed.connect(self.report)
        self._build()
        live(self._tell)

    # Building --------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.middle = QStackedWidget()
        self.middle.addWidget(self.empty)
        self.middle.addWidget(self.sheets)
        self.right = NumbersSide(self, self.numbers, self.notes, self.spot)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_3 - 2)
        for widget, stretch in ((self.setup, 0), (self.middle, 1), (self.right, 0)):
            row.addWidget(widget, stretch)

    # The contract of tabs --------------------------------------------------------------------------------------------
    def pages(self) -> Sequence[str]:
        """Plane, what was measured at the networks, and the network itself."""
        return [key for key, _ in PAGES]

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        self.middle.setCurrentIndex(1)
        self.sheets.show_page(name)
        self.spot.setVisible(name == "plane")
        if name == "network":
            self.sheets.network.inspect(self.model.config.train)

    def run(self) -> None:
        """As the Run button."""
        self.setup.press()

    def example(self, name: str = "quick") -> None:
        """Run the preset as it is."""
        self.setup.form.set_value(preset(name))
        self.start(preset(name))

    def start(self, config: LandscapeConfig) -> None:
        """Create and start the runs; code of the user's is shown first."""
        own = config.train.model if config.train else None
        if isinstance(own, UserModel):
            try:
                ask_consent(
                    Path(own.path).expanduser(), self, lambda source: self._start(confirmed(config, source.sha256))
                )
            except EngineError as error:
                self.report(error)
            return
        self._start(config)

    def _start(self, config: LandscapeConfig) -> None:
        self.model.config = config
        self.cards.show_waiting()
        self.show_page("plane")
        self.services.runs.start(config, self.show_runs, name=self.model.run_name())

    def shown_runs(self) -> Sequence[str]:
        """The runs of all stages."""
        return list(self.model.runs.values())

    def open_run(self, run: str) -> bool:
        """Show a run of the list with its training, and what else was measured on the same network."""
        library = self.services.runs.library
        reader = library.reader(run)
        stage = TASKS.get(reader.task)
        if stage is None:
            return False
        refs: list[Any] = [reader.config.get(name) for name in ("model", "first")]
        refs += reader.config.get("models") or []
        training = run if stage == "train" else next((ref["run"] for ref in refs if ref), "")
        stages = {"train": training} if training else {}
        for other in library.used_by(training) if training else ():
            if (found := TASKS.get(library.reader(other).task)) is not None:
                stages.setdefault(found, other)
        self.show_runs({**stages, stage: run})
        self.show_page(stage if stage in self.pages() else "plane")
        return True

    def open_files(self, paths: Sequence[Path]) -> bool:
        """A model file becomes the network, a table or archive the data."""
        config, path = self.model.config, paths[0]
        if path.suffix != ".py":
            self.setup.form.set_value(with_data(config, path))
            return True
        try:
            ask_consent(path, self, lambda source: self._take(path, source.sha256))
        except EngineError as error:
            self.report(error)
        return True

    def _take(self, path: Path, sha256: str) -> None:
        self.setup.form.set_value(with_model(self.model.config, path, sha256))
        self.show_page("network")

    def undo(self) -> None:
        """Take back the last change of the form."""
        self.setup.form.undo_stack.undo()

    def redo(self) -> None:
        """Make that change again."""
        self.setup.form.undo_stack.redo()

    def provenance(self) -> str:
        """The runs behind what is shown."""
        return self.model.provenance()

    def python(self) -> str:
        """The engine calls that repeat the setup."""
        return script(self.model.config, self.services.root)

    def shown(self) -> None:
        """Begin to estimate."""
        self.setup.ask_estimate()

    def set_engine_missing(self, reason: str) -> None:
        """Run is off, and says why."""
        self.setup.set_missing(reason)
        self.empty.button.setEnabled(not reason)
        self.empty.button.setToolTip(reason)

    def close_tab(self) -> None:
        """End the sessions, and let go of the files that pictures and state have mapped."""
        for run in self.shown_runs():
            self.services.runs.unwatch(run)
        self.model.show({})
        self.sheets.clear()
        self.setup.close_panel()
        self.cards.scene.close_session()
        self.spot.close_session()
        self.sheets.network.close_session()

    # Runs ------------------------------------------------------------------------------------------------------------
    def show_runs(self, stages: Mapping[str, str]) -> None:
        """Show these runs (stage -> id) and follow them."""
        for run in self.model.runs.values():
            self.services.runs.unwatch(run)
        self.model.show(stages)
        self.sheets.clear()
        self.spot.close_session()
        for stage, run in stages.items():
            watch = self.services.runs.watch(run)
            watch.changed.connect(lambda stage=stage, run=run: self._read(stage, run))
            self._read(stage, run)

    def _read(self, stage: str, run: str) -> None:
        if self.model.runs.get(stage) != run:
            return
        reader = self.services.runs.watch(run).reader
        changed = self.model.read(stage, reader)
        self.sheets.show_changes(changed)
        if "plane" in changed:
            self._open_cursor()
        self._tell()

    def _tell(self) -> None:
        """Numbers and words about the shown runs."""
        numbers = [Number(n.measure, n.value, n.interval, n.n, n.dims, group=n.group) for n in self.model.numbers]
        self.numbers.set_numbers(numbers)
        self.notes.set_notes([tr(w.template, **w.params) for w in self.model.warnings])
        self.right.set_warned(bool(self.model.warnings))
        self._headline()
        self._tell_trouble()

    def _tell_trouble(self) -> None:
        """Say why a stage failed: where the plane would be, or in a notice, once, so that a plane stays in sight."""
        reader = self.model.trouble
        if reader is None:
            return
        if self.model.plane is None:
            self.cards.plane_card.show_empty("{error}", error=why(reader))
        elif reader.id not in self._told:
            self._told.add(reader.id)
            self.report(StageFailed(title=tr(reader.title), reason=why(reader)))

    def _headline(self) -> None:
        words = [tr(self.model.state)] if self.model.state else []
        run = next(reversed(self.model.runs.values()), "")
        self.set_headline("   ·   ".join([*self.model.subject(), run, *words]))

    # Cursor ----------------------------------------------------------------------------------------------------------
    def _open_cursor(self) -> None:
        spec = self.model.cursor_spec()
        if spec is not None and self.spot.open_session({"root": str(self.services.root), **spec}):
            self._move(*self.model.cursor)

    def _move(self, alpha: float, beta: float) -> None:
        self.model.cursor = (alpha, beta)
        self.cards.heat.set_cursor(alpha, beta)
        self.cards.show_slices()
        self.spot.ask((alpha, beta), "test" if self.model.field.startswith("test") else "train")

    # Setup -----------------------------------------------------------------------------------------------------------
    def _changed(self) -> None:
        if self.setup.form.state()[0]:
            self.model.config = self.setup.form.value()
            if self.sheets.page_bar.current() == "network":
                self.sheets.network.inspect(self.model.config.train)

    def _check(self, config: LandscapeConfig) -> str:
        if not config.stages():
            return tr("Nothing is switched on.")
        if config.train is None and any(stage.open_inputs() for stage in config.stages().values()):
            return tr("Without training, models are needed: choose them under Advanced, or switch training on.")
        return ""
