"""The Landscape tab: settings at the left, pictures in the middle, numbers at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from app.shell.errors import why
from app.shell.snippet import script
from app.shell.text import live, tr
from app.shell.theme import SPACE_2, SPACE_3, theme
from app.tabs.base import Services, TabView
from app.tabs.landscape import TAB
from app.tabs.landscape.cards import SHORT, PlaneCards
from app.tabs.landscape.model import TASKS, LandscapeModel, preset
from app.tabs.landscape.own_code import ask_consent
from app.tabs.landscape.pages import ConnectPage, HessianPage, SimilarityPage
from app.tabs.landscape.preview import NetworkPage
from app.tabs.landscape.spot import NotesPanel, SpotPanel
from app.tabs.setup import SetupPanel
from app.widgets.empty import EmptyState
from app.widgets.grid import CardGrid
from app.widgets.numbers import Number, NumbersPanel
from app.widgets.rail import PageBar
from engine.data.config import FileData, ModelFileData
from engine.errors import EngineError
from engine.models.config import UserModel
from engine.studies.landscape.config import LandscapeConfig

NARROW, NUMBERS_WIDTH, NUMBERS_WIDEST = 1106, 262, 360
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
PAGES = (
    ("plane", "Plane"),
    ("hessian", "Hessian"),
    ("connect", "Connectivity"),
    ("similarity", "Similarity"),
    ("network", "Network"),
)
Report = HessianPage | ConnectPage | SimilarityPage
PAGE_CLASSES: dict[str, type[Report]] = {"hessian": HessianPage, "connect": ConnectPage, "similarity": SimilarityPage}
REPORTS = {"spectrum": "hessian", "curve": "connect", "similarity": "similarity"}


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
        self.grid = CardGrid(narrow=500, row_height=226)
        self.cards = PlaneCards(self.grid, self.model)
        self.cards.moved.connect(self._move)
        self.reports: dict[str, Report] = {}
        self.network = NetworkPage()
        self.numbers = NumbersPanel()
        self.notes = NotesPanel()
        self.spot = SpotPanel()
        self.empty = EmptyState(TAB.title, TAB.summary, TAB.icon)
        self._told: set[str] = set()
        self.empty.example.connect(self.example)
        self.spot.failed.connect(self.report)
        self._build()
        live(self._say)

    # Building --------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.page_bar = PageBar(list(PAGES))
        self.page_bar.chosen.connect(self.show_page)
        self.field = QComboBox()
        self.field.activated.connect(self._choose_field)
        self.log = QToolButton()
        self.log.setCheckable(True)
        self.log.setChecked(True)
        self.log.toggled.connect(self._choose_log)
        bar = QHBoxLayout()
        bar.addWidget(self.page_bar, 1)
        bar.addWidget(self.field)
        bar.addWidget(self.log)
        self.pages_stack = QStackedWidget()
        self.page_widgets: dict[str, QWidget] = {"plane": self.grid, "network": self.network}
        for widget in self.page_widgets.values():
            self.pages_stack.addWidget(widget)
        filled = QWidget()
        column = QVBoxLayout(filled)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_2)
        column.addLayout(bar)
        column.addWidget(self.pages_stack, 1)
        self.middle = QStackedWidget()
        self.middle.addWidget(self.empty)
        self.middle.addWidget(filled)
        right = QVBoxLayout()
        right.setSpacing(SPACE_3 - 2)
        right.addWidget(self.numbers, 1)
        right.addWidget(self.notes)
        right.addWidget(self.spot)
        self.right = QWidget()
        self.right.setLayout(right)
        right.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_3 - 2)
        for widget, stretch in ((self.setup, 0), (self.middle, 1), (self.right, 0)):
            row.addWidget(widget, stretch)

    def _say(self) -> None:
        self.log.setText("log")
        self.log.setAccessibleName(tr("Logarithmic losses"))
        self.log.setToolTip(tr("Show losses on a logarithmic scale"))
        self.field.setAccessibleName(tr("Field of the plane"))
        self.field.setToolTip(tr("What the plane shows"))
        self._list_fields()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the numbers a share of what a wide window has to spare."""
        spare = max(0, self.width() - theme().px(NARROW))
        self.right.setFixedWidth(min(theme().px(NUMBERS_WIDEST), theme().px(NUMBERS_WIDTH) + round(0.35 * spare)))
        super().resizeEvent(event)

    # The contract of tabs --------------------------------------------------------------------------------------------
    def pages(self) -> Sequence[str]:
        """Plane, what was measured at the networks, and the network itself."""
        return [key for key, _ in PAGES]

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        self.middle.setCurrentIndex(1)
        self.page_bar.set_current(name)
        self.pages_stack.setCurrentWidget(self._page(name))
        for widget in (self.field, self.log, self.spot):
            widget.setVisible(name == "plane")
        if name == "network":
            self.network.inspect(self.model.config.train)

    def _page(self, name: str) -> QWidget:
        """A page, built when it is first looked at, so that the window is there sooner."""
        if name not in self.page_widgets:
            page = PAGE_CLASSES[name]()
            self.reports[name] = page
            self.page_widgets[name] = page
            self.pages_stack.addWidget(page)
            page.show_model(self.model)
        return self.page_widgets[name]

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
                    Path(own.path).expanduser(), self, lambda source: self._start(_confirmed(config, source.sha256))
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
        train = config.train or preset("quick").train
        assert train is not None
        if path.suffix == ".py":
            ask = lambda source: self._take(path, source.sha256)  # noqa: E731
            try:
                ask_consent(path, self, ask)
            except EngineError as error:
                self.report(error)
            return True
        data = FileData(path=str(path))
        self.setup.form.set_value(config.model_copy(update={"train": train.model_copy(update={"data": data})}))
        return True

    def _take(self, path: Path, sha256: str) -> None:
        config = self.model.config
        train = config.train or preset("quick").train
        assert train is not None
        update: dict[str, Any] = {"model": UserModel(path=str(path), sha256=sha256)}
        if "def data(" in path.read_text(encoding="utf-8", errors="replace"):
            update["data"] = ModelFileData()
        self.setup.form.set_value(config.model_copy(update={"train": train.model_copy(update=update)}))
        self.show_page("network")

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
        """End the sessions."""
        self.setup.close_panel()
        self.cards.scene.close_session()
        self.spot.close_session()
        self.network.close_session()

    # Runs ------------------------------------------------------------------------------------------------------------
    def show_runs(self, stages: Mapping[str, str]) -> None:
        """Show these runs (stage -> id) and follow them."""
        for run in self.model.runs.values():
            self.services.runs.unwatch(run)
        self.model.show(stages)
        self.cards.show_waiting()
        for page in self.reports.values():
            page.clear()
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
        if "curves" in changed:
            self.cards.show_training()
        if "plane" in changed:
            self._list_fields()
            self.cards.show_plane()
            self._open_cursor()
        for artifact in changed & set(REPORTS):
            if (page := self.reports.get(REPORTS[artifact])) is not None:
                page.show_model(self.model)
        numbers = [Number(n.measure, n.value, n.interval, n.n, n.dims, group=n.group) for n in self.model.numbers]
        self.numbers.set_numbers(numbers)
        self.notes.set_notes([tr(w.template, **w.params) for w in self.model.warnings])
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

    # Choices ---------------------------------------------------------------------------------------------------------
    def _list_fields(self) -> None:
        names = self.model.fields() or ["train_loss"]
        self.field.clear()
        for name in names:
            self.field.addItem(tr(SHORT[name]), name)
        self.field.setCurrentIndex(max(0, self.field.findData(self.model.field)))

    def _choose_field(self, _index: int) -> None:
        self.model.field = self.field.currentData()
        self.log.setEnabled(self.model.field.endswith("loss"))
        self.cards.show_plane()
        self._move(*self.model.cursor)

    def _choose_log(self, on: bool) -> None:
        self.model.log = on
        self.cards.show_plane()

    def _changed(self) -> None:
        if self.setup.form.state()[0]:
            self.model.config = self.setup.form.value()
            if self.page_bar.current() == "network":
                self.network.inspect(self.model.config.train)

    def _check(self, config: LandscapeConfig) -> str:
        if not config.stages():
            return tr("Nothing is switched on.")
        if config.train is None and any(stage.open_inputs() for stage in config.stages().values()):
            return tr("Without training, models are needed: choose them under Advanced, or switch training on.")
        return ""


def _confirmed(config: LandscapeConfig, sha256: str) -> LandscapeConfig:
    """The config with the hash of the code that the user has agreed to."""
    assert config.train is not None
    model = config.train.model.model_copy(update={"sha256": sha256})
    return config.model_copy(update={"train": config.train.model_copy(update={"model": model})})
