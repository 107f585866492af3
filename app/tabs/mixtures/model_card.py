"""The model card of a mixture: its components, what to beware of and what to do, what it was made from. No widgets."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.shell.text import MINUS, number, short, tr
from app.tabs.mixtures.model import MixturesModel
from app.widgets.plot.table import Table
from engine.runs.events import Warned
from engine.studies.mixture.config import METHODS, PRIORS
from engine.studies.mixture.kinds import Choice, Fitted, StabilityReport

FLAT = 1e6  # condition number above which a component is nearly a plane

STUCK = "Stuck below"
# Beginnings of what runs warn of, and what helps.
REMEDIES = {
    "Every solution": "Try fewer clusters, a simpler family, or a prior under Advanced.",
    "Only {rows} rows": "Try fewer clusters, a family with fewer parameters, or fewer columns.",
    "{gone} of {asked}": "Ask for fewer clusters, or accept what is left.",
    "The mixture is overfitted": "Try fewer clusters or a simpler family; compare by out-of-bag likelihood.",
    "Dissolved": "Do not interpret these clusters; try fewer.",
    "The resampled likelihood": "Raise the number of rows or lower q; read the traces before you cite.",
    STUCK: "Nothing to do: it was fitted again. More starts make it rarer.",
    "Column {column} holds text": "Name it as known classes, or turn it into numbers.",
    "{family} is left out": "Try fewer clusters or fewer columns.",
    "{count} of {columns} columns follow": "Untick some of them on the page Table, or take a spectral method.",
    "{columns} columns for": "Take a diagonal family or a spectral method.",
    "{share} % of cells are missing": "Untick the columns with most gaps on the page Table.",
}


@dataclass(frozen=True)
class Component:
    """One cluster of the card.

    Attributes:
        weight: share of the rows. rows: expected number of rows. means, deviations: (d,) in the table's units.
        smallest: smallest variance in any direction. condition: largest by smallest variance.
        dof: degrees of freedom of a t component, else NaN. flags: what to know, in the user's language.
    """

    weight: float
    rows: float
    means: np.ndarray
    deviations: np.ndarray
    smallest: float
    condition: float
    dof: float
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """Something to beware of and what to do about it, "" where nothing is to be done."""

    what: str
    remedy: str = ""


def components(found: Fitted, stability: StabilityReport | None) -> list[Component]:
    """The components in the order of their numbers."""
    weights, covariances = np.asarray(found.weights), np.asarray(found.covariances)
    values = np.linalg.eigvalsh(covariances)
    deviations = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0))
    rows = weights * found.took_part
    conditions = values[:, -1] / np.maximum(values[:, 0], 1e-300)
    verdicts = stability.verdicts if stability is not None else ()
    result = []
    for k in range(len(weights)):
        flags = [tr("too few rows")] if rows[k] < len(found.names) + 1 else []
        flags += [tr("nearly flat")] if conditions[k] > FLAT else []
        flags += [tr(verdicts[k])] if k < len(verdicts) and verdicts[k] != "stable" else []
        dof = float(found.dof[k]) if len(found.dof) else float("nan")
        result.append(
            Component(
                float(weights[k]), float(rows[k]), np.asarray(found.means)[k], deviations[k], float(values[k, 0]),
                float(conditions[k]), dof, tuple(flags),
            )
        )  # fmt: skip
    return result


def shown_table(found: Fitted, parts: Sequence[Component]) -> Table:
    """A column for each cluster, a row for each quantity; for reading."""
    heads = [tr("quantity"), *[tr("cluster {k}", k=k + 1) for k in range(len(parts))]]
    names = [tr("weight (%)"), tr("rows"), *found.names, tr("smallest variance"), tr("condition number")]
    columns: list[list[str]] = [names]
    for part in parts:
        spread = zip(part.means.tolist(), part.deviations.tolist(), strict=True)
        columns.append(
            [short(100 * part.weight, 3), number(round(part.rows)), *[plus_minus(m, s) for m, s in spread],
             short(part.smallest, 3), short(part.condition, 3)]
        )  # fmt: skip
        if np.isfinite(part.dof):
            columns[-1].append(short(part.dof, 3))
    if parts and np.isfinite(parts[0].dof):
        names.append(tr("degrees of freedom"))
    if any(part.flags for part in parts):
        names.append(tr("beware"))
        for column, part in zip(columns[1:], parts, strict=True):
            column.append(", ".join(part.flags) or "—")
    return Table(heads, columns)


def plus_minus(mean: float, deviation: float) -> str:
    """A mean to the digits that its deviation, of two digits, leaves a meaning: "−2.89 ± 0.71"."""
    if not 1e-4 <= deviation < 1e6 or abs(mean) >= 1e9:
        return f"{short(mean)} ± {short(deviation, 2)}"
    places = max(0, 1 - math.floor(math.log10(deviation)))
    said = f"{round(mean, places) + 0.0:.{places}f}".replace("-", MINUS)
    return f"{said} ± {deviation:.{places}f}"


def full_table(found: Fitted, parts: Sequence[Component]) -> Table:
    """A row for each cluster with the mean and deviation of every column; for files."""
    columns: dict[str, list[object]] = {
        "cluster": list(range(1, len(parts) + 1)),
        "weight": [part.weight for part in parts],
        "rows": [part.rows for part in parts],
    }
    for j, name in enumerate(found.names):
        columns[f"mean {name}"] = [float(part.means[j]) for part in parts]
        columns[f"{'scale' if len(found.dof) else 'sd'} {name}"] = [float(part.deviations[j]) for part in parts]
    columns["smallest variance"] = [part.smallest for part in parts]
    columns["condition number"] = [part.condition for part in parts]
    if len(found.dof):
        columns["degrees of freedom"] = [part.dof for part in parts]
    columns["flags"] = [", ".join(part.flags) for part in parts]
    return Table(list(columns), list(columns.values()))


def advice(model: MixturesModel) -> list[Advice]:
    """What the runs warned of, and where bigger models of the choice stayed below smaller ones."""
    alarms = _alarms(model.choice)
    warned = [one for one in model.warnings if not (alarms and one.template.startswith(STUCK))]  # they tell more
    return [_advised(one) for one in warned] + alarms + _spurious(model.mixture)


def _advised(warned: Warned) -> Advice:
    remedy = next((text for begin, text in REMEDIES.items() if warned.template.startswith(begin)), "")
    return Advice(tr(warned.template, **warned.params), tr(remedy))


def _alarms(choice: Choice | None) -> list[Advice]:
    if choice is None:
        return []
    cells = [
        tr("{model} below {smaller}", model=f"{family} {int(g)}", smaller=name)
        for family, names in zip(choice.families, choice.alarms, strict=True)
        for g, name in zip(np.asarray(choice.components), names, strict=True) if name
    ]  # fmt: skip
    if not cells:
        return []
    what = tr("Larger models at first fitted worse than their special cases: {cells}.", cells=", ".join(cells))
    return [Advice(what, tr("They were fitted again from there; with more starts it happens less."))]


def _spurious(found: Fitted | None) -> list[Advice]:
    count = 0 if found is None else int(np.asarray(found.spurious).sum())
    if not count:
        return []
    what = tr("{count} starts ended in spurious solutions, with a component on a few rows.", count=count)
    return [Advice(what, tr("They were not ranked; a prior or fewer clusters make them rarer."))]


def identity(model: MixturesModel) -> Table:
    """What the mixture was made from and how: name and value."""
    found = model.mixture
    if found is None:
        return Table([])
    data = found.data
    reader = model.readers.get("fit")
    config = reader.config if reader is not None else {}
    kept = ("path", "name", "label", "rows", "dimension", "clusters", "separation", "data_seed")
    source = [(tr(key.replace("_", " ")), str(data[key])) for key in _told(data, kept)]
    facts = [
        *source,
        (tr("rows"), number(int(found.took_part))),
        (tr("columns"), f"{len(found.names)}: {', '.join(found.names)}"),
        (tr("scaling"), tr("standardised" if found.scaling == "zscore" else "none")),
        (tr("method"), tr(METHODS.get(found.method, found.method))),
        (tr("family"), found.family),
        (tr("clusters"), str(found.components)),
        (tr("starts"), str(sum(kind != "escape" for kind in found.start_kinds))),
        (tr("prior"), tr(PRIORS.get(found.prior, found.prior))),
        (tr("seed"), str(config.get("seed", ""))),
        (tr("log L (nat)"), number(float(found.log_likelihood), 7)),
        (tr("run"), model.runs.get("fit", "")),
    ]
    return Table([tr("what"), tr("value")], [[name for name, _ in facts], [value for _, value in facts]])


def _told(data: dict[str, object], names: Sequence[str]) -> list[str]:
    """The parts of a source that say which table it is; sizes are those of the generator alone."""
    generated = data.get("name") == "generated"
    return [name for name in names if data.get(name) not in (None, "") and (generated or name in names[:3])]


def markdown(model: MixturesModel) -> str:
    """The whole card as Markdown."""
    found = model.mixture
    if found is None:
        return ""
    parts = components(found, model.stability)
    lines = [f"# {found.family}, {len(found.weights)} {tr('clusters')}", "", f"## {tr('Components')}", ""]
    lines += [shown_table(found, parts).markdown(), f"## {tr('Beware')}", ""]
    lines += [f"- {one.what} {one.remedy}".rstrip() for one in advice(model)] or [tr("Nothing to beware of.")]
    lines += ["", f"## {tr('Made from')}", "", identity(model).markdown()]
    if model.numbers:
        lines += [f"## {tr('Numbers')}", ""]
        rows = [(n.measure.title, n.dims, n.value, n.measure.unit) for n in model.numbers]
        lines += [f"- {tr(t)}{_dims(d)}: {number(v, 6)} {u}".rstrip() for t, d, v, u in rows]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _dims(dims: Sequence[tuple[str, str]]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in dims)})" if dims else ""
