"""Looks at a table before it is fitted: its columns, what will be left out and why, and how many axes it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.sessions.service import Context, method

SCREE = 60  # eigenvalues told
LOOK_BYTES = 1 << 24  # of a file that is looked through whole
ROWS = 5000  # rows that the scree is computed on
# Rules that permute nothing.
QUICK_RULES: tuple[Literal["gavish_donoho", "variance", "elbow"], ...] = ("gavish_donoho", "variance", "elbow")


class Preview:
    """Service "mixture.preview".

    Spec: ``root``, the runs' folder, for tables of other runs.
    """

    device = "cpu"

    def __init__(self, spec: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        self._root = Path(spec["root"]) if spec.get("root") else None

    @method
    def look(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """``data`` (a table source as JSON) -> ``columns``: name, kind, missing, low, high, used; ``notes``: templates
        and values; ``rows``, ``file_rows``, ``missing``: whether cells are; ``classes``: how many are known.

        Of a large file only some rows are looked at: ``sampled``: how many, 0 for all; ``rows``: those of them that can
        take part. ``exact``: whether the file says its number of rows itself, else it is told from its length.

        Raises:
            TableError: the table cannot be used, in its own words.
        """
        from engine.studies.mixture.tables.source import glimpse, label_of, read_source
        from engine.studies.mixture.tables.table import clean
        from engine.studies.mixture.tasks.setting import codes, told

        source = _source(params["data"])
        large = _large(source)
        seen = glimpse(source, ROWS) if large else None
        read = read_source(source, self._read) if seen is None else seen.columns
        context.point()
        label = label_of(source)
        table = clean(read, columns=source.columns or None, label=label)
        classes, _ = codes(table.labels, len(table.x))
        count, used = len(read[0].values), set(table.names)
        return {
            "columns": [_facts(column, column.name in used, column.name == label) for column in read],
            "notes": [{"template": template, "params": values} for template, values in told(table.notes)],
            "rows": len(table.x),
            "file_rows": count if seen is None else seen.rows,
            "missing": table.missing,
            "classes": len(classes),
            "sampled": 0 if seen is None else count,
            "exact": seen is None or seen.exact,
        }

    @method
    def scree(self, params: Mapping[str, Any], context: Context) -> dict[str, Any]:
        """``data`` and ``components`` -> ``values``: eigenvalues; ``chance``: 95 % quantile of permuted columns;
        ``suggested``: axes by parallel analysis within what the rows carry; ``rules``: axes by each rule."""
        from engine.studies.mixture.bootstrap.spectral import choose_q, permuted_values, spectrum
        from engine.studies.mixture.tables.source import glimpse, label_of, load_table
        from engine.studies.mixture.tables.table import clean

        source = _source(params["data"])
        if _large(source):
            table = clean(glimpse(source, ROWS).columns, columns=source.columns or None, label=label_of(source))
        else:
            table = load_table(source, self._read)
        x = table.x[~np.isnan(table.x).any(axis=1)]
        if len(x) < 3:
            return {"values": [], "chance": [], "suggested": 1, "rules": {}}
        x = x[:: -(-len(x) // ROWS)]
        scaled = x - x.mean(axis=0)
        if source.scaling == "zscore":
            deviations = scaled.std(axis=0)
            scaled = scaled / np.where(deviations > 0, deviations, 1.0)
        found = spectrum(scaled)
        context.point()
        chance = np.quantile(permuted_values(scaled, 0), 0.95, axis=0)
        components = int(params["components"])
        suggested = choose_q(scaled, found, components)
        others = {rule: choose_q(scaled, found, components, rule) for rule in QUICK_RULES}
        return {
            "values": found.values[:SCREE].tolist(),
            "chance": chance[:SCREE].tolist(),
            "suggested": int(suggested),
            "rules": {"parallel": int(suggested), **others},
        }

    def _read(self, ref: Any) -> Any:
        from engine.artifacts import versions
        from engine.studies.mixture.tables.source import NoTableChosen

        if self._root is None:
            raise NoTableChosen
        return versions.read(self._root, ref)


def _source(data: Any) -> Any:
    from pydantic import TypeAdapter

    from engine.studies.mixture.config import TableSource

    return TypeAdapter(TableSource).validate_python(data)


def _large(source: Any) -> bool:
    """Whether a file takes too long to be read whole while a person waits.

    Raises:
        TableError: it can be read in no way.
    """
    from engine.studies.mixture.tables.size import EXCEL, read_in_parts

    if source.source != "file":
        return False
    if read_in_parts(source):
        return True
    path = Path(source.path).expanduser()
    return path.is_file() and path.stat().st_size > LOOK_BYTES and path.suffix.lower() not in EXCEL


def _facts(column: Any, used: bool, label: bool) -> dict[str, Any]:
    values: NDArray[Any] = column.values
    if column.kind != "number":
        words = values[values != ""]
        return {"name": column.name, "kind": "class" if label else column.kind, "missing": int((values == "").sum()),
                "low": None, "high": None, "different": len(np.unique(words)), "used": used}  # fmt: skip
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (None, None)
    return {"name": column.name, "kind": "class" if label else "number", "missing": int(np.isnan(values).sum()),
            "low": low, "high": high, "different": len(np.unique(known)), "used": used}  # fmt: skip


SERVICES = {"mixture.preview": Preview}
