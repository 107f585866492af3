"""Rows with missing values beside a fit of whole rows: memberships by the marginal density of what is known of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.studies.mixture.bootstrap.spectral import Projection
from engine.studies.mixture.em.missing import patterns
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.model.parameters import Array
from engine.studies.mixture.tasks.setting import Setting


class FewWholeRows(EngineError):
    """Raised when a method that needs whole rows finds hardly any."""

    what = "{method} needs whole rows, and only {whole} of {rows} rows have all their values."
    why = "Most gaps are in column {column}: {gaps}."
    remedy = "Fit by EM, which takes rows with gaps, or leave that column out."


def whole_rows(x: Array) -> NDArray[np.bool_]:
    """(n,) whether a row (n, d) has no missing value."""
    return np.asarray(~np.isnan(x).any(axis=1))


def only(setting: Setting, took: NDArray[np.bool_], method: str) -> Setting:
    """The rows that take part in estimates.

    Args:
        took: (n,) which. method: its name, for the error.

    Raises:
        FewWholeRows: fewer than two.
    """
    table = setting.table
    if took.sum() < 2:
        gaps = np.isnan(table.x).sum(axis=0)
        column = int(np.argmax(gaps))
        raise FewWholeRows(
            method=method, whole=int(took.sum()), rows=len(table.x), column=table.names[column], gaps=int(gaps[column])
        )
    labels = None if table.labels is None else table.labels[took]
    rows = replace(table, x=table.x[took], rows=table.rows[took], labels=labels)
    return Setting(rows, setting.classes, setting.known[took], np.arange(int(took.sum())))


def merged(took: NDArray[np.bool_], whole: Array, gaps: Array) -> Array:
    """Rows that took part (a, ...) and the others (b, ...) in the order of the table (a + b, ...)."""
    out = np.empty((len(took), *whole.shape[1:]), whole.dtype)
    out[took], out[~took] = whole, gaps
    return out


def on_axes(projection: Projection, inner: Mixture, x: Array) -> tuple[Array, Array]:
    """Memberships (m, G) and expected scores (m, q) of rows with gaps, under a mixture on axes.

    With the lifted covariance V C_k V' + s2 (I - V V') and V_o = U S W' of the known columns o, the rest of a row
    outside U is alike in all components, and U'(x_o - mean_o) is N(S W' m_k, S W' C_k W S + s2 (I - S^2)): matrices of
    q x q at most, whatever the number of columns.

    Args:
        projection: with its residual variance s2. inner: the Gaussian mixture of scores. x: (m, p) scaled columns, nan
            where missing.
    """
    z, scores = np.empty((len(x), inner.components)), np.empty((len(x), projection.q))
    for mask, rows in patterns(x):
        u, s, w = np.linalg.svd(projection.axes[mask], full_matrices=False)
        turn = s[:, None] * w
        noise = projection.residual * np.maximum(1 - s**2, 0.0)
        seen = (x[np.ix_(rows, mask)] - projection.mean[mask]) @ u
        covariances = turn @ inner.covariances @ turn.T + np.diag(noise)
        marginal = Mixture(inner.weights, inner.means @ turn.T, covariances, inner.family)
        z[rows] = marginal.responsibilities(seen)
        gain = inner.covariances @ turn.T @ np.linalg.inv(covariances)
        each = inner.means + np.einsum("kij,mkj->mki", gain, seen[:, None] - marginal.means)
        scores[rows] = np.einsum("mk,mki->mi", z[rows], each)
    return z, scores
