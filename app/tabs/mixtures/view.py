"""The Mixtures tab: settings at the left, pictures in the middle, numbers at the right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from app.shell.errors import why
from app.shell.snippet import script
from app.shell.text import live, tr
from app.shell.theme import SPACE_2, SPACE_3, theme
from app.tabs.base import Services, TabView
from app.tabs.mixtures import TAB, files
from app.tabs.mixtures.columns import TablePage
from app.tabs.mixtures.model import TASKS, MixturesModel, preset
from app.tabs.mixtures.pages import ChoicePage, LabelsPage, MaximaPage, StabilityPage
from app.tabs.mixtures.scatter import COLOURINGS, axis_title, draw
from app.tabs.setup import SetupPanel
from app.widgets.card import Card
from app.widgets.empty import EmptyState
from app.widgets.grid import CardGrid
from app.widgets.labels import Label
from app.widgets.numbers import Number, NumbersPanel
from app.widgets.plot import ScatterPlot
from app.widgets.rail import PageBar
from app.widgets.session_link import SessionLink
from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError
from engine.studies.mixture.config import BuiltinTable, FileTable, MixtureConfig, RunTable
from engine.studies.mixture.kinds import Fitted

NUMBERS_WIDTH = 264
SIMPLE = (
    "data",
    "select",
    "select.largest",
    "fit",
    "fit.method",
    "fit.criterion",
    "fit.starts",
    "stability",
    "stability.replicates",
)
SOURCES = (BuiltinTable, FileTable, RunTable)
HIDDEN = (
    *(f"{stage}.data" for stage in ("select", "fit")),
    *(f"{stage}.data.{name}" for stage in ("select", "fit") for source in SOURCES for name in source.model_fields),
    "fit.choice",
)
PAGES = (
    ("clusters", "Clusters"),
    ("choice", "Choice"),
    ("maxima", "Local maxima"),
    ("stability", "Stability"),
    ("labels", "Against labels"),
    ("table", "Table"),
)


class MixturesView(TabView):
    """The tab."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.model = MixturesModel()
        self.setup = SetupPanel(MixtureConfig, SIMPLE, services.runs.artifacts, check=self._check, hide=HIDDEN)
        self.setup.run.connect(self.start)
        self.setup.changed.connect(self._changed)
        self.choice = ChoicePage()
        self.choice.opened.connect(self._open_fit)
        self.maxima = MaximaPage()
        self.maxima.opened.connect(self._open_solution)
        self.stability, self.labels = StabilityPage(), LabelsPage()
        self.table = TablePage()
        self.table.listing.ticked.connect(self._tick)
        self.numbers = NumbersPanel()
        self.empty = EmptyState(TAB.title, TAB.summary, TAB.icon)
        self.empty.example.connect(self.example)
        self.preview = SessionLink("mixture.preview", {"root": str(services.root)}, parent=self)
        self.preview.done.connect(self._looked)
        self.preview.failed.connect(lambda _method, error: self._cannot_look(str(error)))
        self._build()
        live(self._say)

    # Building --------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.clusters = CardGrid(columns=1)
        self.scatter = ScatterPlot(tr("Clusters"))
        self.scatter_card = self.clusters.add(Card("Clusters", empty="The rows, coloured by cluster, appear here."))
        self.scatter_card.set_body(self.scatter)
        for text, handler, name in (
            ("Save labels and memberships …", self.ask_labels, "table"),
            ("Save parameters …", self.ask_parameters, "save"),
            ("Copy Python for scikit-learn", self.copy_scikit_learn, "copy"),
        ):
            self.scatter_card.add_action(text, handler, name)
        self.page_bar = PageBar(list(PAGES))
        self.page_bar.chosen.connect(self.show_page)
        self.boxes = [QComboBox() for _ in range(3)]
        self.captions = [Label("", "muted") for _ in self.boxes]
        self.across, self.up, self.colouring = self.boxes
        self.across.activated.connect(self._choose_axes)
        self.up.activated.connect(self._choose_axes)
        self.colouring.activated.connect(lambda _index: self._show_clusters())
        self.pages_stack = QStackedWidget()
        self.page_widgets = {
            "clusters": self.clusters, "choice": self.choice, "maxima": self.maxima, "stability": self.stability,
            "labels": self.labels, "table": self.table,
        }  # fmt: skip
        for widget in self.page_widgets.values():
            self.pages_stack.addWidget(widget)
        self._lay_out()

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        for label, box in zip(self.captions, self.boxes, strict=True):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            bar.addWidget(label)
            bar.addWidget(box, 1)
        self.bar = QWidget()
        self.bar.setLayout(bar)
        bar.setContentsMargins(0, 0, 0, 0)
        filled = QWidget()
        column = QVBoxLayout(filled)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_2)
        column.addWidget(self.page_bar)
        column.addWidget(self.bar)
        column.addWidget(self.pages_stack, 1)
        self.middle = QStackedWidget()
        self.middle.addWidget(self.empty)
        self.middle.addWidget(filled)
        self.numbers.setFixedWidth(theme().px(NUMBERS_WIDTH))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_3 - 2)
        for widget, stretch in ((self.setup, 0), (self.middle, 1), (self.numbers, 0)):
            row.addWidget(widget, stretch)

    def _say(self) -> None:
        words = (tr("Across"), tr("Up"), tr("Colour"))
        for label, box, word in zip(self.captions, self.boxes, words, strict=True):
            label.setText(word)
            box.setAccessibleName(word)
        chosen = max(0, self.colouring.currentIndex())
        self.colouring.clear()
        for key, text in COLOURINGS.items():
            self.colouring.addItem(tr(text), key)
        self.colouring.setCurrentIndex(chosen)
        self._list_axes()

    # The contract of tabs --------------------------------------------------------------------------------------------
    def pages(self) -> Sequence[str]:
        """What was found, and the table itself."""
        return [key for key, _ in PAGES]

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        self.middle.setCurrentIndex(1)
        self.page_bar.set_current(name)
        self.pages_stack.setCurrentWidget(self.page_widgets[name])
        self.bar.setVisible(name == "clusters")
        if name == "table":
            self._look()

    def run(self) -> None:
        """As the Run button."""
        self.setup.press()

    def example(self, name: str = "quick") -> None:
        """Run the preset as it is."""
        self.setup.form.set_value(preset(name))
        self.start(preset(name))

    def start(self, config: MixtureConfig) -> None:
        """Create and start the runs."""
        self.model.config = config
        self.show_page("clusters" if config.fit is not None else "choice")
        self.services.runs.start(config, self.show_runs, name=self.model.run_name())

    def shown_runs(self) -> Sequence[str]:
        """The runs of all stages."""
        return list(self.model.runs.values())

    def open_run(self, run: str) -> bool:
        """Show a run of the list, with those that it builds on."""
        stages: dict[str, str] = {}
        at: str | None = run
        while at:
            reader = self.services.runs.watch(at).reader
            stage = TASKS.get(reader.task)
            if stage is None or stage in stages:
                break
            stages = {stage: at, **stages}
            ref = reader.config.get("mixture") or reader.config.get("choice") or {}
            at = ref.get("run")
        if not stages:
            return False
        self.show_runs(stages)
        self.show_page({"select": "choice", "fit": "clusters", "stability": "stability"}[list(stages)[-1]])
        return True

    def open_files(self, paths: Sequence[Path]) -> bool:
        """A table becomes the data."""
        self._set_data(FileTable(path=str(paths[0])))
        return True

    def open_artifact(self, ref: ArtifactRef) -> bool:
        """A table of another run becomes the data."""
        if ref.kind != "table":
            return False
        self._set_data(RunTable(table=ref))
        return True

    def _set_data(self, data: FileTable | RunTable) -> None:
        self.setup.form.set_value(self.model.config.model_copy(update={"data": data}))
        self._changed()
        self.show_page("table")

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
        self.preview.close()

    # Runs ------------------------------------------------------------------------------------------------------------
    def show_runs(self, stages: Mapping[str, str]) -> None:
        """Show these runs (stage -> id) and follow them."""
        for stage, run in self.model.runs.items():
            if stages.get(stage) != run:
                self.services.runs.unwatch(run)
        before = dict(self.model.runs)
        self.model.show(stages)
        self._clear(before)
        for stage, run in stages.items():
            if before.get(stage) != run:
                watch = self.services.runs.watch(run)
                watch.changed.connect(lambda stage=stage, run=run: self._read(stage, run))
            self._read(stage, run)

    def _clear(self, before: Mapping[str, str]) -> None:
        if self.model.choice is None:
            self.choice.clear()
        if self.model.mixture is None:
            for page in (self.maxima, self.labels):
                page.clear()
            self.scatter.clear()
            self.scatter_card.set_caption("")
            self.stability.doubt.clear()
        if self.model.stability is None:
            self.stability.clear()

    def _read(self, stage: str, run: str) -> None:
        if self.model.runs.get(stage) != run:
            return
        reader = self.services.runs.watch(run).reader
        changed = self.model.read(stage, reader)
        if "choice" in changed:
            self.choice.show_model(self.model)
        if "mixture" in changed:
            self._list_axes()
            self._show_clusters()
            self.maxima.show_model(self.model)
        if "stability" in changed:
            self.stability.show_model(self.model)
        self.labels.show_model(self.model)
        numbers = [Number(n.measure, n.value, n.interval, n.n, n.dims, group=n.group) for n in self.model.numbers]
        self.numbers.set_numbers(numbers)
        self.numbers.set_callout("\n".join(tr(w.template, **w.params) for w in self.model.warnings))
        self._headline()
        if reason := why(reader):
            card = {
                "select": self.choice.cards_of["bic"],
                "fit": self.scatter_card,
                "stability": self.stability.bars_card,
            }
            card[stage].show_empty("{error}", error=reason)

    def _headline(self) -> None:
        words = [tr(self.model.state)] if self.model.state else []
        run = next(reversed(self.model.runs.values()), "")
        self.set_headline("   ·   ".join([*self.model.subject(), run, *words]))

    # Pictures --------------------------------------------------------------------------------------------------------
    def _list_axes(self) -> None:
        for box, chosen in zip((self.across, self.up), self.model.axes, strict=True):
            box.clear()
            for key in self.model.axis_names():
                box.addItem(axis_title(key), key)
            box.setCurrentIndex(max(0, box.findData(chosen)))
            box.setEnabled(box.count() > 0)

    def _choose_axes(self, _index: int) -> None:
        self.model.axes = (self.across.currentData(), self.up.currentData())
        self._show_clusters()

    def _show_clusters(self) -> None:
        picture, found = self.model.picture(), self.model.mixture
        if picture is None or found is None:
            return
        draw(self.scatter, self.model, self.colouring.currentData())
        words = {"family": found.family, "n": len(found.x), "shown": len(picture.x)}
        if self.model.solution:
            words |= {"k": self.model.solution + 1, "of": len(found.share)}
            self.scatter_card.set_caption(
                "local maximum {k} of {of}; {family}, {shown} rows; ellipses: 1 and 2 σ", **words
            )
        elif not found.complete:
            self.scatter_card.set_caption("the best start so far; {family}, {shown} rows", **words)
        else:
            self.scatter_card.set_caption("{family}, {shown} of {n} rows; ellipses: 1 and 2 σ", **words)
        self.stability.show_doubt(picture)

    def _open_fit(self, family: str, components: int) -> None:
        """Fit a cell of the choice, and show it beside the choice."""
        kept = {stage: run for stage, run in self.model.runs.items() if stage == "select"}
        config = self.model.fit_of(family, components)

        def then(started: Mapping[str, str]) -> None:
            self.show_runs({**kept, "fit": started[config.task]})
            self.show_page("clusters")

        self.services.runs.start(config, then, name=f"{self.model.run_name()}, {family} {components}")

    def _open_solution(self, maximum: int) -> None:
        found = self.model.mixture
        if found is not None and maximum < len(found.solution_weights):
            self.model.solution = maximum
            self._show_clusters()
            self.show_page("clusters")

    # Exports ---------------------------------------------------------------------------------------------------------
    def ask_labels(self) -> None:
        """Choose a file for labels and memberships."""
        self._ask("labels.csv", lambda found: files.labels_csv(found, self.model.stability))

    def ask_parameters(self) -> None:
        """Choose a file for the parameters."""
        self._ask("mixture.json", files.parameters_json)

    def copy_scikit_learn(self) -> None:
        """Put Python that rebuilds the mixture on the clipboard."""
        if self.model.mixture is not None:
            try:
                QGuiApplication.clipboard().setText(files.scikit_learn(self.model.mixture))
            except EngineError as error:
                self.report(error)

    def _ask(self, name: str, text: Callable[[Fitted], str]) -> None:
        found = self.model.mixture
        if found is None:
            return
        suffix = name.rpartition(".")[2]
        dialog = QFileDialog(self, tr("Save {name}", name=name), name, f"{suffix.upper()} (*.{suffix})")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.selectFile(name)
        dialog.fileSelected.connect(lambda path: self.save(Path(path), text(found)))
        dialog.open()

    def save(self, path: Path, text: str) -> None:
        """Write a file; what goes wrong is told in the notices."""
        try:
            files.save(path, text)
        except EngineError as error:
            self.report(error)

    # Setup -----------------------------------------------------------------------------------------------------------
    def _changed(self) -> None:
        if self.setup.form.state()[0]:
            self.model.config = self.setup.form.value()
            if self.page_bar.current() == "table":
                self._look()

    def _tick(self, names: list[str]) -> None:
        data = self.model.config.data.model_copy(update={"columns": tuple(names)})
        self.setup.form.set_value(self.model.config.model_copy(update={"data": data}))
        self._changed()

    def _look(self) -> None:
        data = self.model.config.data.model_dump(mode="json")
        components = self.model.config.fit.components if self.model.config.fit else 3
        self.preview.call("look", {"data": data}, key="look")
        self.preview.call("scree", {"data": data, "components": components}, key="scree")

    def _looked(self, method: str, facts: dict[str, Any]) -> None:
        if method == "look":
            self.table.show_facts(facts)
        else:
            self.table.show_scree(facts, self.model.config.fit.q if self.model.config.fit else None)

    def _cannot_look(self, why: str) -> None:
        self.table.columns_card.show_empty("{error}", error=why)
        self.table.scree.clear()

    def _check(self, config: MixtureConfig) -> str:
        if not config.stages():
            return tr("Nothing is switched on.")
        if isinstance(config.data, RunTable) and config.data.table is None:
            return tr("Choose a table of another run, or another source of data.")
        if config.stability is not None and config.fit is not None and config.fit.method == "t":
            return tr("Mixtures of t distributions cannot be resampled: switch Stability off.")
        return ""
