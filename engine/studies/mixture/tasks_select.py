"""The task mixture.select: families x numbers of clusters, one family a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.runs.run import Run
from engine.studies.contract import Cost, TaskConfig
from engine.studies.mixture.config import SelectConfig
from engine.studies.mixture.cost import select_cost
from engine.studies.mixture.errors import TooFewRowsError
from engine.studies.mixture.families import Family, nested_order
from engine.studies.mixture.kinds import Choice
from engine.studies.mixture.parameters import Array
from engine.studies.mixture.select import Cell, Selection
from engine.studies.mixture.setting import Setting, Tick, options_of, prepare_table

NUMBERS = ("bic", "icl", "aic", "nec", "log_likelihood", "entropy", "degrees")
TRUTHS = ("spurious", "prior", "converged")


class Board:
    """The table of cells as it fills."""

    def __init__(self, families: tuple[Family, ...], components: list[int]) -> None:
        self.families, self.components = families, components
        shape = (len(families), len(components))
        self.numbers: dict[str, Array] = {name: np.full(shape, np.nan) for name in NUMBERS}
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

    def choice(self, setting: Setting, data: dict[str, Any]) -> Choice:
        """As an artifact."""
        arrays: dict[str, Any] = {name: array.copy() for name, array in {**self.numbers, **self.truths}.items()}
        return Choice(
            families=self.families, components=np.array(self.components),
            alarms=tuple(tuple(row) for row in self.alarms), rows=len(setting.x), columns=setting.x.shape[1], data=data,
            best_bic=self.best("bic"), best_icl=self.best("icl"),
            **arrays,
        )  # fmt: skip


class Select:
    """Task mixture.select."""

    Config = SelectConfig

    def estimate(self, config: SelectConfig, upstream: Mapping[str, TaskConfig] | None = None) -> Cost:
        """Good to about a factor of three; unknown for users' tables."""
        return select_cost(config)

    def run(self, config: SelectConfig, run: Run) -> None:
        """Every family with all numbers of clusters; nested ones first, so that alarms can be repaired."""
        setting = prepare_table(config, run, complete=True)
        components = [g for g in range(config.smallest, config.largest + 1) if g <= len(setting.x)]
        families = tuple(family for family in nested_order() if family in config.families)
        board = Board(families, components or [1])
        over = Selection(setting.x, board.components, options_of(config, setting.table, run), config.starts)
        if (state := run.restored()) is not None:
            board.restore(state["board"])
            over.restore(state["selection"])
        tick, data = Tick(run), config.data.model_dump(mode="json")
        refused: TooFewRowsError | None = None
        for unit in run.units(list(families)):
            run.progress(unit.index, len(families), unit.label)
            try:
                board.add(over.family(families[unit.index], tick))
            except TooFewRowsError as error:
                refused = error
                run.warn("{family} is left out: {reason}", family=unit.label, reason=str(error))
            if board.best("bic"):
                run.publish("choice", board.choice(setting, data))
            state = {"board": board.state(), "selection": over.state(), "in_parts": setting.in_parts}
            run.checkpoint(state)
        if refused is not None and not board.best("bic"):
            raise refused
        self._tell(board, setting, run)
        run.publish("choice", board.choice(setting, data), complete=True)
        run.progress(len(families), len(families))

    def _tell(self, board: Board, setting: Setting, run: Run) -> None:
        run.measure("mixture_rows", len(setting.x))
        run.measure("mixture_columns", setting.x.shape[1])
        for criterion in ("bic", "icl"):
            best = board.best(criterion)
            if best:
                place = (board.families.index(best[0]), board.components.index(best[1]))
                run.measure(f"mixture_{criterion}", board.numbers[criterion][place], model=f"{best[0]} {best[1]}")
        repaired = [f"{f} {g}" for f, row in zip(board.families, board.alarms, strict=True)
                    for g, name in zip(board.components, row, strict=True) if name]  # fmt: skip
        if repaired:
            run.warn(
                "Stuck below a special case at first, so fitted again from there: {models}.", models=", ".join(repaired)
            )
