"""Files and snippets of a mixture: labels with memberships, parameters, Python for scikit-learn."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from engine.durable import replacing, write_atomic
from engine.errors import EngineError
from engine.studies.mixture.kinds import Fitted, StabilityReport


class NotSaved(EngineError):
    """Raised when a file of the mixture cannot be written."""

    what = "{path} was not saved."
    why = "It cannot be written: {reason}."
    remedy = "Choose another folder or file name, or free some space."


class NoScikitLearn(EngineError):
    """Raised when scikit-learn has no such mixture."""

    what = "There is no Python for this mixture."
    why = "scikit-learn has no mixtures of t distributions."
    remedy = "Save the parameters instead."


class NoMclust(EngineError):
    """Raised when mclust has no such mixture."""

    what = "There is no R script for this mixture."
    why = "mclust has no mixtures of t distributions."
    remedy = "Save the parameters instead."


def save(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        NotSaved: the folder or disk does not take it.
    """
    try:
        write_atomic(path, text)
    except OSError as error:
        raise NotSaved(path=path, reason=error.strerror or str(error)) from error


def copy(source: Path, path: Path) -> None:
    """Copy a file whole or not at all.

    Raises:
        NotSaved: the source is gone, or the folder or disk does not take it.
    """
    try:
        with open(source, "rb") as given, replacing(path) as taken:
            shutil.copyfileobj(given, taken)
    except OSError as error:
        raise NotSaved(path=path, reason=error.strerror or str(error)) from error


def labels_csv(found: Fitted, stability: StabilityReport | None) -> str:
    """Row number (from 1), cluster, memberships, out-of-bag memberships and known class of each row, as CSV."""
    z = np.asarray(found.memberships)
    columns: dict[str, list[object]] = {
        "row": (np.asarray(found.rows) + 1).tolist(),
        "cluster": (found.labels() + 1).tolist(),
    }
    columns |= {f"membership {k + 1}": z[:, k].tolist() for k in range(z.shape[1])}
    if stability is not None and stability.memberships.shape == z.shape:
        columns |= {f"out of bag {k + 1}": stability.memberships[:, k].tolist() for k in range(z.shape[1])}
    if found.classes:
        names = [*found.classes, ""]
        columns["class"] = [names[code] for code in np.asarray(found.known).tolist()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def parameters_json(found: Fitted) -> str:
    """Weights, means and covariances with what they mean."""
    return json.dumps(found.parameters(), indent=1, ensure_ascii=False)


def save_npz(path: Path, found: Fitted) -> None:
    """Write what scikit-learn's GaussianMixture has after a fit, by its names, as arrays; no pickle.

    Raises:
        NoScikitLearn: it is a mixture of t distributions. NotSaved: the folder or disk does not take it.
    """
    if len(found.dof):
        raise NoScikitLearn
    inverse = np.linalg.inv(np.linalg.cholesky(np.asarray(found.covariances)))
    arrays: dict[str, Any] = {
        "columns": np.array(found.names), "weights_": np.asarray(found.weights), "means_": np.asarray(found.means),
        "covariances_": np.asarray(found.covariances), "precisions_cholesky_": inverse.transpose(0, 2, 1),
    }  # fmt: skip
    try:
        with replacing(path) as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise NotSaved(path=path, reason=error.strerror or str(error)) from error


def scikit_learn(found: Fitted) -> str:
    """Python that rebuilds the mixture as scikit-learn's GaussianMixture.

    Raises:
        NoScikitLearn: it is a mixture of t distributions.
    """
    if len(found.dof):
        raise NoScikitLearn
    lines = [
        "import numpy as np",
        "from sklearn.mixture import GaussianMixture",
        "",
        f"columns = {list(found.names)!r}",
        f'mixture = GaussianMixture({len(found.weights)}, covariance_type="full")',
        f"mixture.weights_ = np.array({np.asarray(found.weights).tolist()!r})",
        f"mixture.means_ = np.array({np.asarray(found.means).tolist()!r})",
        f"mixture.covariances_ = np.array({np.asarray(found.covariances).tolist()!r})",
        "inverse = np.linalg.inv(np.linalg.cholesky(mixture.covariances_))",
        "mixture.precisions_cholesky_ = inverse.transpose(0, 2, 1)",
        "# mixture.predict(x), mixture.predict_proba(x), mixture.score_samples(x): x has these columns",
    ]
    return "\n".join(lines) + "\n"


def rows_csv(found: Fitted) -> str:
    """The rows that the mixture holds, in the table's units, as CSV; cells that are missing are NA."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(found.names)
    writer.writerows([["NA" if cell != cell else repr(cell) for cell in row] for row in np.asarray(found.x).tolist()])
    return text.getvalue()


def mclust_script(found: Fitted, rows: str) -> str:
    """R that computes the likelihood of the mixture, and fits the same model with mclust from there and by itself.

    Families that depend on the scales of the columns are fitted to columns divided as they were for the mixture; the
    likelihoods printed are those of the table's own units.

    Args:
        rows: name of the file beside the script that ``rows_csv`` was written to.

    Raises:
        NoMclust: it is a mixture of t distributions.
    """
    if len(found.dof):
        raise NoMclust
    d, count = len(found.names), len(found.weights)
    model = found.family if d > 1 else found.family[0].replace("I", "E")
    x = np.asarray(found.x, float)
    scale = np.nanstd(x, axis=0) if found.scaling == "zscore" else np.ones(d)
    held = found.prior not in ("off", "auto") or (found.prior == "auto" and found.took_part < THIN * found.degrees)
    note = (PRIOR if held else "") + (AXES if model in ("EVE", "VVE") else "")
    return MCLUST.format(
        note=note, scale=_vector(scale), model=model, d=d, count=count, rows=json.dumps(rows),
        weights=_vector(found.weights), means=_vector(found.means), covariances=_vector(found.covariances),
    )  # fmt: skip


def _vector(values: Any) -> str:
    """Numbers as R writes them; R's first index runs fastest, and covariances are symmetric."""
    return "c(" + ", ".join(repr(value) for value in np.asarray(values).reshape(-1).tolist()) + ")"


THIN = 5  # rows a parameter below which a prior may hold the covariances
PRIOR = "# A prior held the covariances of the mixture found: mclust, which climbs without one, ends elsewhere.\n"
AXES = "# mclust begins EVE and VVE from axes of its own, not from those of the mixture found, and may end lower.\n"
MCLUST = """# The mixture found, and the same model by mclust: family {model}, {count} clusters.
{note}library(mclust)
x <- as.matrix(read.csv({rows}, check.names = FALSE))
x <- x[complete.cases(x), , drop = FALSE]
weights <- {weights}
means <- matrix({means}, nrow = {d})
covariances <- array({covariances}, dim = c({d}, {d}, {count}))
joint <- sapply(seq_along(weights), function(k) {{
  root <- chol(matrix(covariances[, , k], nrow = {d}))
  half <- backsolve(root, t(x) - means[, k], transpose = TRUE)
  log(weights[k]) - sum(log(diag(root))) - {d} / 2 * log(2 * pi) - colSums(half^2) / 2
}})
top <- apply(joint, 1, max)
total <- top + log(rowSums(exp(joint - top)))
z <- exp(joint - total)
cat("log-likelihood of the mixture found:", sum(total), "\\n")
scale <- {scale}
y <- sweep(x, 2, scale, "/")
units <- nrow(x) * sum(log(scale))
onward <- me(data = y, modelName = "{model}", z = z)
cat("log-likelihood of mclust from there:", onward$loglik - units, "\\n")
alone <- Mclust(y, G = {count}, modelNames = "{model}")
cat("log-likelihood of mclust by itself: ", alone$loglik - units, "\\n")
print(table(found = max.col(z), mclust = alone$classification))
"""
