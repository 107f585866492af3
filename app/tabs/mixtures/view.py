"""The Mixtures tab: settings at the left, pictures in the middle, numbers at the right."""

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
from app.tabs.mixtures.examples import Beginning, ExamplesButton, example
from app.tabs.mixtures.exports import Exports
from app.tabs.mixtures.model import AFTER_FIT, TASKS, MixturesModel, preset
from app.tabs.mixtures.pages import PAGES, Pages
from app.tabs.setup import SetupPanel
from app.widgets.drawer import NumbersSide
from app.widgets.numbers import Number, NumbersPanel
from engine.artifacts.refs import ArtifactRef
from engine.studies.mixture.config import BuiltinTable, FileTable, FitConfig, MixtureConfig, RunTable, TableSource

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
    "stability.mixture",
    "ratio.mixture",
)
FIRST_PAGE = {"select": "choice", "fit": "clusters", "stability": "stability", "ratio": "choice"}


class MixturesView(TabView):
    """The tab."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.model = MixturesModel()
        self.setup = SetupPanel(MixtureConfig, SIMPLE, services.runs.artifacts, check=self._check, hide=HIDDEN)
        self.sheets = Pages(self.model, services.root)
        self.exports = Exports(self.model, self)
        self.numbers = NumbersPanel()
        self.empty, self.examples = Beginning(), ExamplesButton()
        self._connect()
        self._build()
        live(self._tell)

    # Building --------------------------------------------------------------------------------------------------------
    def _connect(self) -> None:
        self.setup.run.connect(self.start)
        self.setup.changed.connect(self._changed)
        self.empty.example.connect(self.example)
        for source in (self.empty, self.examples):
            source.chosen.connect(self.start_table)
        sheets = self.sheets
        sheets.chosen.connect(self.show_page)
        sheets.cell.connect(self._open_fit)
        sheets.maximum.connect(self._open_solution)
        sheets.asked.connect(self._follow_up)
        sheets.card_saved.connect(self.exports.ask_card)
        sheets.edited.connect(self._edit_table)
        sheets.axes_chosen.connect(self._choose_q)
        self.exports.failed.connect(self.report)

    def _build(self) -> None:
        self.sheets.clusters.bar.addWidget(self.exports.button)
        self.setup.add_corner(self.examples)
        self.middle = QStackedWidget()
        self.middle.addWidget(self.empty)
        self.middle.addWidget(self.sheets)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE_3 - 2)
        self.right = NumbersSide(self, self.numbers)
        for part, stretch in ((self.setup, 0), (self.middle, 1), (self.right, 0)):
            row.addWidget(part, stretch)

    # The contract of tabs --------------------------------------------------------------------------------------------
    def pages(self) -> Sequence[str]:
        """What was found, and the table itself."""
        return [key for key, _ in PAGES]

    def show_page(self, name: str) -> None:
        """Bring a page to the front."""
        self.middle.setCurrentIndex(1)
        self.sheets.show_page(name)

    def run(self) -> None:
        """As the Run button."""
        self.setup.press()

    def example(self, name: str = "quick") -> None:
        """Run the preset as it is."""
        self._take(preset(name))

    def start_table(self, name: str) -> None:
        """Run the quick preset on a built-in table."""
        self._take(example(name))

    def _take(self, config: MixtureConfig) -> None:
        self.setup.form.set_value(config)
        self.start(config)

    def start(self, config: MixtureConfig) -> None:
        """Create and start the runs."""
        self.model.config = config
        self.show_page("clusters" if config.fit is not None else "choice")
        self.services.runs.start(config, self.show_runs, name=self.model.run_name())

    def shown_runs(self) -> Sequence[str]:
        """The runs of all stages."""
        return list(self.model.runs.values())

    def open_run(self, run: str) -> bool:
        """Show a run of the list, with those that it builds on and what was made of its fit."""
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
        opened = list(stages)[-1]
        for other in self.services.runs.library.used_by(stages["fit"]) if "fit" in stages else ():
            after = TASKS.get(self.services.runs.watch(other).reader.task)
            if after in AFTER_FIT:
                stages.setdefault(after, other)
        self.show_runs(stages)
        self.show_page(FIRST_PAGE[opened])
        return True

    def open_files(self, paths: Sequence[Path]) -> bool:
        """A table becomes the data."""
        self._set_data(FileTable(path=str(paths[0].absolute())))  # runs work in folders of their own
        return True

    def open_artifact(self, ref: ArtifactRef) -> bool:
        """A table of another run becomes the data."""
        if ref.kind != "table":
            return False
        self._set_data(RunTable(table=ref))
        return True

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
        self.empty.set_missing(reason)

    def close_tab(self) -> None:
        """End sessions and threads, and let go of the files that pictures and state have mapped."""
        self.show_runs({})
        self.setup.close_panel()
        self.sheets.close_pages()
        self.exports.close_exports()

    # Runs ------------------------------------------------------------------------------------------------------------
    def show_runs(self, stages: Mapping[str, str]) -> None:
        """Show these runs (stage -> id) and follow them."""
        for stage, run in self.model.runs.items():
            if stages.get(stage) != run:
                self.services.runs.unwatch(run)
        before = dict(self.model.runs)
        self.model.show(stages)
        self.sheets.clear()
        if not stages:
            self._tell()
        for stage, run in stages.items():
            if before.get(stage) != run:
                watch = self.services.runs.watch(run)
                watch.changed.connect(lambda stage=stage, run=run: self._read(stage, run))
            self._read(stage, run)

    def _read(self, stage: str, run: str) -> None:
        if self.model.runs.get(stage) != run:
            return
        reader = self.services.runs.watch(run).reader
        self.sheets.show_changed(self.model.read(stage, reader))
        self._tell()

    def _tell(self) -> None:
        """Numbers and words about the shown runs."""
        numbers = [Number(n.measure, n.value, n.interval, n.n, n.dims, group=n.group) for n in self.model.numbers]
        self.numbers.set_numbers(numbers)
        self.numbers.set_callout("\n".join(tr(w.template, **w.params) for w in self.model.warnings))
        self.right.set_warned(bool(self.model.warnings))
        self._headline()
        told: dict[str, str] = {}
        for stage, reader in self.model.readers.items():
            if reason := why(reader):
                before = "select" if stage == "fit" else "fit" if stage in AFTER_FIT else ""
                told[stage] = told.get(before, reason)  # the cause, rather than that the run before has failed
                self.sheets.show_trouble(stage, told[stage])

    def _headline(self) -> None:
        words = [tr(self.model.state)] if self.model.state else []
        run = next(reversed(self.model.runs.values()), "")
        self.set_headline("   ·   ".join([*self.model.subject(), run, *words]))

    def _follow_up(self, stage: str) -> None:
        """Resample or test the shown fit."""
        config = self.model.after_fit(stage)
        if config is None:
            return
        kept = dict(self.model.runs)
        name = f"{self.model.run_name(self.model.fitted_data())}: {tr(config.title)}"
        self.services.runs.start(config, lambda made: self.show_runs({**kept, stage: made[config.task]}), name=name)

    def _open_fit(self, family: str, components: int) -> None:
        """Fit a cell of the choice, and show it beside the choice."""
        kept = {stage: run for stage, run in self.model.runs.items() if stage == "select"}
        config = self.model.fit_of(family, components)

        def then(started: Mapping[str, str]) -> None:
            self.show_runs({**kept, "fit": started[config.task]})
            self.show_page("clusters")

        self.services.runs.start(config, then, name=f"{self.model.run_name(config.data)}, {family} {components}")

    def _open_solution(self, maximum: int) -> None:
        found = self.model.mixture
        if found is not None and (maximum == 0 or maximum < len(found.solution_weights)):
            self.sheets.clusters.show_solution(maximum)
            self.show_page("clusters")

    # Setup -----------------------------------------------------------------------------------------------------------
    def _changed(self) -> None:
        if self.setup.form.state()[0]:
            self.model.config = self.setup.form.value()
            self.sheets.look_again()

    def _set_data(self, data: TableSource) -> None:
        self._set(data=data)
        self.show_page("table")

    def _edit_table(self, changes: Mapping[str, Any]) -> None:
        self._set(data=self.model.config.data.model_copy(update=dict(changes)))

    def _choose_q(self, q: int) -> None:
        self._set(fit=(self.model.config.fit or FitConfig()).model_copy(update={"q": q}))

    def _set(self, **changes: Any) -> None:
        """Change the form, as if typed: it can be undone."""
        self.setup.form.set_value(self.model.config.model_copy(update=changes))

    def _check(self, config: MixtureConfig) -> str:
        if not config.stages():
            return tr("Nothing is switched on.")
        if isinstance(config.data, RunTable) and config.data.table is None:
            return tr("Choose a table of another run, or another source of data.")
        return ""
