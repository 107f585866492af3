"""The likelihood-ratio test in the tab: replicates as a histogram, the statistic as a mark, the p value in words."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QSizeF, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.shell.text import live, number, tr
from app.shell.theme import SPACE_2, SPACE_3, Tokens
from app.widgets.labels import Sentence
from app.widgets.plot import Axis, HistogramPlot, Table
from engine.studies.mixture.kinds import RatioReport

LEVEL = 0.05


class RatioPanel(QWidget):
    """One test at a time, with the button that asks for more.

    Signals:
        asked: the user wants the test of the fit that is shown. said: what the test in front says, in a sentence.
    """

    asked = Signal()
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: RatioReport | None = None
        self.words = ""
        self.which = QComboBox()
        self.which.activated.connect(lambda _index: self._show())
        self.button = QPushButton()
        self.button.clicked.connect(lambda _checked=False: self.asked.emit())
        self.plot = HistogramPlot(x=Axis("2 Δ log L", "nat"), y=Axis("drawn tables", whole=True))
        self.sentence = Sentence("", "muted", wrap=True)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sentence.setContentsMargins(24, 0, 24, 12)
        line = QHBoxLayout()
        line.setContentsMargins(SPACE_3, 0, SPACE_3, 0)
        line.setSpacing(SPACE_2)
        line.addWidget(self.button)
        line.addWidget(self.which)
        line.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 4)
        column.setSpacing(2)
        column.addLayout(line)
        column.addWidget(self.plot, 1)
        column.addWidget(self.sentence, 1)
        live(self._say)

    def _say(self) -> None:
        self.button.setText(tr("Test one more"))
        self.sentence.setText(tr("Would one cluster more describe the table better than chance?"))
        self.which.setAccessibleName(tr("Which test"))
        self.which.setToolTip(tr("Which numbers of clusters are compared"))
        self.plot.setAccessibleName(tr("Likelihood ratio"))
        self._list()

    def set_possible(self, reason: str) -> None:
        """Switch the button: "" when there is a fit to test, else why there is none."""
        self.button.setEnabled(not reason)
        self.button.setToolTip(
            reason or tr("Test one cluster more and one fewer on tables drawn from the smaller mixture")
        )

    def show_report(self, report: RatioReport | None) -> None:
        """Show what is known of a test; None: nothing yet."""
        self._report = report
        self._list()

    def _list(self) -> None:
        chosen = max(0, self.which.currentIndex())
        self.which.clear()
        for g in [] if self._report is None else np.asarray(self._report.null).tolist():
            self.which.addItem(tr("{g} against {more}", g=g, more=g + 1))
        self.which.setCurrentIndex(min(chosen, self.which.count() - 1))
        self.which.setVisible(self.which.count() > 1)
        self._show()

    def _show(self) -> None:
        report, at = self._report, self.which.currentIndex()
        self.plot.clear()
        empty = report is None or at < 0
        self.plot.setVisible(not empty)
        self.sentence.setVisible(empty)
        if report is None or at < 0:
            self._tell("")
            return
        drawn = np.asarray(report.replicates)[at]
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn):
            self.plot.set_values(drawn)
            self.plot.set_marks([float(np.asarray(report.statistic)[at])], tr("this table"))
        self._tell(in_words(report, at))

    def _tell(self, words: str) -> None:
        self.words = words
        self.said.emit(words)

    def draw(self, painter: QPainter, size: QSizeF, look: Tokens, *, vector: bool = False) -> None:
        """The histogram, for files."""
        self.plot.draw(painter, size, look, vector=vector)

    def table(self) -> Table:
        """The numbers behind the histogram: every replicate of every test."""
        report = self._report
        if report is None:
            return Table([])
        null = np.asarray(report.null)
        heads = [tr("{g} against {more}", g=g, more=g + 1) for g in null.tolist()]
        rows = np.column_stack([np.asarray(report.statistic), np.asarray(report.replicates)])
        kinds = [tr("this table"), *[tr("drawn table {n}", n=b + 1) for b in range(rows.shape[1] - 1)]]
        return Table([tr("table"), *heads], [kinds, *rows])


def in_words(report: RatioReport, at: int) -> str:
    """What a test says, p first: "p = 0.01 (99 drawn tables): 4 clusters describe the table better than 3." """
    g, p = int(np.asarray(report.null)[at]), float(np.asarray(report.p)[at])
    count = int(np.isfinite(np.asarray(report.replicates)[at]).sum())
    if not np.isfinite(p) or not count:
        return tr("{g} against {more} clusters: tables are being drawn.", g=g, more=g + 1)
    told = {"g": g, "more": g + 1, "p": number(p, 2), "count": count}
    if p <= LEVEL:
        return tr("p = {p} ({count} drawn tables): {more} clusters describe the table better than {g}.", **told)
    if p <= 1 / (count + 1):  # no drawn table reaches the statistic, yet there are too few for any p below the level
        return tr(
            "p = {p} ({count} drawn tables), the least possible: draw {least} or more for p ≤ {level}.",
            level=number(LEVEL, 1), least=round(1 / LEVEL) - 1, **told,
        )  # fmt: skip
    return tr("p = {p} ({count} drawn tables): no sign of {more} clusters rather than {g}.", **told)
