"""The task mixture.select: families x numbers of clusters, one family a unit; then their out-of-bag likelihoods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.choice.select import Cell, Selection
from engine.studies.mixture.config import SelectConfig
from engine.studies.mixture.cost import select_cost
from engine.studies.mixture.kinds import Choice
from engine.studies.mixture.model.errors import TooFewRowsError
from engine.studies.mixture.model.families import Family, nested_order
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.tables.table import Table
from engine.studies.mixture.tasks.setting import Setting, Tick, options_of, prepare_table

# Work (rows x features x components x chains) of all refits above which only the best models are refitted.
MUCH_WORK = 3e9
BEST = 2
# Patterns of missing cells up to which rows with gaps take part: every pass looks at each pattern by itself.
PATTERNS = 40
NUMBERS = ("bic", "icl", "aic", "nec", "log_likelihood", "entropy", "degrees")
TRUTHS = ("spurious", "prior", "converged")


class Board:
    """The table of cells as it fills."""

    def __init__(self, families: tuple[Family, ...], components: list[int]) -> None:
        self.families, self.components = families, components
        shape = (len(families), len(components))
        self.numbers: dict[str, Array] = {name: np.full(shape, np.nan) for name in NUMBERS}
        self.numbers["out_of_bag"] = np.full(shape, np.nan)
        self.truths: dict[str, Array] = {name: np.zeros(shape, bool) for name in TRUTHS}
        self.alarms = [[""] * len(components) for _ in families]

    def add(self, cells: list[Cell]) -> None:
        """Take in one family's cells."""
        for cell in cells:
            row, column = self.families.index(cell.family), self.components.index(cell.components)
            for name in NUMBERS:
                self.numbers[name][row, column] = getattr(cell.criteria, name)
            for name in TRUTHS:
                self.truths[name][row, column] = getattr(cell, name)
            self.alarms[row][column] = cell.alarm

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"numbers": self.numbers, "truths": self.truths, "alarms": self.alarms}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self.numbers = {name: np.array(array) for name, array in saved["numbers"].items()}
        self.truths = {name: np.array(array) for name, array in saved["truths"].items()}
        self.alarms = [list(row) for row in saved["alarms"]]

    def best(self, criterion: str) -> tuple[str, int] | tuple[()]:
        """The cell with the largest criterion; spurious ones only when there are no others."""
        values = self.numbers[criterion]
        honest = np.where(self.truths["spurious"], np.nan, values)
        used = honest if np.isfinite(honest).any() else values
        if not np.isfinite(used).any():
            return ()
        row, column = np.unravel_index(int(np.nanargmax(used)), used.shape)
        return self.families[row], self.components[column]

    def honest(self) -> NDArray[np.bool_]:
        """(F, C) models that could be fitted and are not spurious."""
        return np.asarray(np.isfinite(self.numbers["bic"]) & ~self.truths["spurious"])

    def leaders(self, count: int) -> NDArray[np.bool_]:
        """(F, C) the best ``count`` families of each number of clusters by BIC, and by ICL."""
        found = np.zeros(self.numbers["bic"].shape, bool)
        for criterion in ("bic", "icl"):
            values = np.where(self.honest(), self.numbers[criterion], -np.inf)
            order = np.argsort(-values, axis=0, kind="stable")[:count]
            np.put_along_axis(found, order, True, axis=0)
        return found & self.honest()

    def choice(self, setting: Setting, data: dict[str, Any], resamples: int) -> Choice:
        """As an artifact."""
        arrays: dict[str, Any] = {name: array.copy() for name, array in {**self.numbers, **self.truths}.items()}
        if not resamples:
            del arrays["out_of_bag"]
        return Choice(
            families=self.families, components=np.array(self.components),
            alarms=tuple(tuple(row) for row in self.alarms), rows=len(setting.x), columns=setting.x.shape[1], data=data,
            best_bic=self.best("bic"), best_icl=self.best("icl"), best_out_of_bag=self.best("out_of_bag"),
            resamples=resamples, **arrays,
        )  # fmt: skip


def many_patterns(table: Table) -> bool:
    """Whether missing cells fall in so many patterns that rows with gaps would take too long."""
    return len(np.unique(np.isnan(table.x), axis=0)) > PATTERNS


def told_apart(families: list[Family], columns: int, run: Run) -> tuple[Family, ...]:
    """The families that are different models: in one column only equal (E) and free (V) variances are."""
    if columns > 1:
        return tuple(families)
    kept = tuple({family[0]: family for family in reversed(families)}[first] for first in {f[0]: 0 for f in families})
    if len(kept) < len(families):
        run.warn("In one column families differ in whether variances are equal: {kept} stand for all.",
                 kept=", ".join(kept))  # fmt: skip
    return kept


class Select:
    """Task mixture.select."""

    Config = SelectConfig

    def estimate(self, config: SelectConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Good to about a factor of three; unknown for tables of other runs and files that cannot be read."""
        return select_cost(config)

    def run(self, config: SelectConfig, run: Run) -> None:
        """Every family with all numbers of clusters, nested ones first; then the out-of-bag likelihoods of each."""
        setting = prepare_table(config, run, complete=many_patterns)
        components = [g for g in range(config.smallest, config.largest + 1) if g <= len(setting.x)]
        families = told_apart([f for f in nested_order() if f in config.families], setting.x.shape[1], run)
        board = Board(families, components or [1])
        over = Selection(setting.x, board.components, options_of(config, setting.table, run), config.starts)
        if (state := run.restored()) is not None:
            board.restore(state["board"])
            over.restore(state["selection"])
        tick, data = Tick(run), config.data.model_dump(mode="json")
        refused: TooFewRowsError | None = None
        checks = [f"{family}, rows not seen" for family in families] if config.resamples else []
        total = len(families) + len(checks)
        for unit in run.units([*families, *checks]):
            run.progress(unit.index, total, unit.label)
            if unit.index < len(families):
                try:
                    board.add(over.family(families[unit.index], tick))
                except TooFewRowsError as error:
                    refused = error
                    run.warn("{family} is left out: {reason}", family=unit.label, reason=str(error))
            else:
                self._check(board, over, unit.index - len(families), config, run, tick)
            if board.best("bic"):
                run.publish("choice", board.choice(setting, data, config.resamples))
            run.checkpoint({"board": board.state(), "selection": over.state(), "in_parts": setting.in_parts})
        if refused is not None and not board.best("bic"):
            raise refused
        self._tell(board, setting, config, run)
        run.publish("choice", board.choice(setting, data, config.resamples), complete=True)
        run.progress(total, total)

    def _check(self, board: Board, over: Selection, row: int, config: SelectConfig, run: Run, tick: Tick) -> None:
        """Out-of-bag likelihoods of one family; of all models, or of the leaders where all would take long."""
        wanted, d = board.honest(), over.rows.dimension
        work = over.rows.n * (d + 1) * (d + 2) / 2 * float((wanted * board.components).sum()) * config.resamples
        if work > MUCH_WORK:
            wanted = board.leaders(BEST)
            if row == 0:
                template = "Out-of-bag likelihoods only of the best {count} families by BIC and by ICL for each number."
                run.warn(template, count=BEST)
        chosen = [g for g, on in zip(board.components, wanted[row], strict=True) if on]
        if chosen:
            found = over.out_of_bag(board.families[row], chosen, config.resamples, tick)
            for g, value in found.items():
                board.numbers["out_of_bag"][row, board.components.index(g)] = value

    def _tell(self, board: Board, setting: Setting, config: SelectConfig, run: Run) -> None:
        run.measure("mixture_rows", len(setting.x))
        run.measure("mixture_columns", setting.x.shape[1])
        for criterion in ("bic", "icl"):
            best = board.best(criterion)
            if best:
                place = (board.families.index(best[0]), board.components.index(best[1]))
                run.measure(f"mixture_{criterion}", board.numbers[criterion][place], model=f"{best[0]} {best[1]}")
        if best := board.best("out_of_bag"):
            value = board.numbers["out_of_bag"][board.families.index(best[0]), board.components.index(best[1])]
            run.measure("out_of_bag", value, n=config.resamples, model=f"{best[0]} {best[1]}")
        repaired = [f"{f} {g}" for f, row in zip(board.families, board.alarms, strict=True)
                    for g, name in zip(board.components, row, strict=True) if name]  # fmt: skip
        if repaired:
            run.warn(
                "Stuck below a special case at first, so fitted again from there: {models}.", models=", ".join(repaired)
            )
