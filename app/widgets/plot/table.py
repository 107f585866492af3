"""The numbers behind a picture, as columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.shell.text import plain


@dataclass(frozen=True)
class Table:
    """Equally long columns.

    Attributes:
        headers: one for each column, with its unit. columns: sequences or arrays of numbers or words.
    """

    headers: Sequence[str]
    columns: Sequence[Any] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Row by row, numbers as Python's own."""
        listed = [column.tolist() if hasattr(column, "tolist") else column for column in self.columns]
        return iter(zip(*listed, strict=True))

    def csv(self, notes: str = "") -> str:
        """Comma-separated text, UTF-8; notes come first, each line after a #."""
        out = io.StringIO()
        for line in notes.splitlines():
            out.write(f"# {line}\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.headers)
        writer.writerows([plain(cell) for cell in row] for row in self.rows())
        return out.getvalue()

    def markdown(self) -> str:
        """A Markdown table."""
        lines = ["| " + " | ".join(self.headers) + " |", "|" + " --- |" * len(self.headers)]
        lines += ["| " + " | ".join(plain(cell).replace("|", "\\|") for cell in row) + " |" for row in self.rows()]
        return "\n".join(lines) + "\n"
