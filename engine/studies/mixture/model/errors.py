"""Errors of mixture fits: what happened, why, what to do."""

from __future__ import annotations

import numpy as np

from engine.errors import EngineError
from engine.studies.mixture.model.parameters import Array

MOST_COLUMNS = 1500


class TooFewRowsError(EngineError):
    """Raised when a family cannot be estimated from so few rows."""

    what = "{rows} rows are too few for {components} components of family {family} in {columns} columns."
    why = "At least {needed} rows are needed."
    remedy = "Use fewer clusters, a diagonal family such as VVI, or fewer columns."


class TooManyColumnsError(EngineError):
    """Raised when covariances of so many columns would fill the memory."""

    what = "{columns} columns are too many to fit directly."
    why = "One full covariance alone would take {size} MB; at most {limit} columns are taken."
    remedy = "Use a spectral method, which reduces the columns first."


class InfiniteValueError(EngineError):
    """Raised when a table still holds infinite or missing values."""

    what = "Column {column} holds {count} values that are not finite numbers."
    why = "The first is in row {row}."
    remedy = "Remove these rows, or mark the values as missing and choose the fit for missing values."


class UnknownColumnValuesError(EngineError):
    """Raised when a column is missing in every row."""

    what = "Column {column} has no values."
    why = "Nothing can be said of a column that is missing in every row."
    remedy = "Leave this column out."


class ThinComponentsError(EngineError):
    """Raised when resampled EM would let one component swallow the others."""

    what = "The smallest cluster holds about {rows} rows, too few for resampled EM with q = {q}."
    why = "It needs {needed}; with fewer, rows outside a resample drift to the widest cluster."
    remedy = "Use fewer axes or clusters, or fit by EM and resample it by the stability stage (bagged EM)."


class TooManyAxesError(EngineError):
    """Raised when more axes are asked for than the columns span."""

    what = "{q} axes were asked for, but the columns span only {rank}."
    why = "Further axes would carry nothing."
    remedy = "Ask for {rank} axes or fewer, or leave the number to the rule."


class HugeValueError(EngineError):
    """Raised when squares of the values would overflow."""

    what = "Column {column} holds values as large as {value}."
    why = "Their squares exceed what a computer can hold."
    remedy = "Use a larger unit for this column, or leave it out."


class NothingVariesError(EngineError):
    """Raised when all rows are equal."""

    what = "All {rows} rows are equal."
    why = "There is nothing that could form clusters."
    remedy = "Check the columns chosen."


class BadWeightsError(EngineError):
    """Raised when row weights cannot be used."""

    what = "The row weights cannot be used: {reason}."
    remedy = "Give one non-negative finite number for each row, not all zero."


class BadStartError(EngineError):
    """Raised when a fit is asked for without starts."""

    what = "A fit needs at least one start, not {starts}."
    remedy = "Ask for 10 to 50 starts."


def check_columns(x: Array) -> None:
    """Raise TooManyColumnsError for a table (n, d) too wide for covariances."""
    d = x.shape[1]
    if d > MOST_COLUMNS:
        raise TooManyColumnsError(columns=d, size=d * d * 8 // 2**20, limit=MOST_COLUMNS)


def check_weights(weights: Array | None, n: int) -> None:
    """Raise BadWeightsError unless weights are n non-negative numbers with a positive sum."""
    if weights is None:
        return
    if weights.shape != (n,):
        raise BadWeightsError(reason=f"there are {weights.size} for {n} rows")
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() <= 0:
        raise BadWeightsError(reason="some are negative, not finite, or all are 0")


def check_known(x: Array) -> None:
    """Raise UnknownColumnValuesError for a column of x (n, d) that is nan in every row."""
    empty = np.isnan(x).all(axis=0)
    if empty.any():
        raise UnknownColumnValuesError(column=int(np.argmax(empty)) + 1)


def check_finite(x: Array) -> None:
    """Raise for values that are not finite or too large to square, and for rows that are all equal; x (n, d)."""
    if np.isfinite(x).all():
        largest = np.abs(x).max(axis=0, initial=0.0)
        if largest.size and largest.max() > 1e100:
            column = int(np.argmax(largest))
            raise HugeValueError(column=column + 1, value=f"{largest[column]:.1e}")
        if len(x) > 1 and np.all(x == x[0]):
            raise NothingVariesError(rows=len(x))
        return
    bad = ~np.isfinite(x)
    column = int(np.argmax(bad.any(axis=0)))
    raise InfiniteValueError(column=column + 1, count=int(bad[:, column].sum()), row=int(np.argmax(bad[:, column])) + 1)
