"""Shows all widgets filled with computed data, in both themes: ``python -m tests.app.gallery FOLDER`` writes PNGs.

Not a test: it is for looking. The data are computed here, so that curves have the shapes they have in use.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, ClassVar, Literal

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from pydantic import Field
from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QApplication, QFrame, QHBoxLayout, QPushButton, QSplitter, QVBoxLayout, QWidget

from app.shell.errors import Reporter
from app.shell.text import about, size
from app.shell.theme import SERIES, install, theme
from app.widgets.card import Card
from app.widgets.consent import ConsentDialog, SourceFile
from app.widgets.empty import EmptyState
from app.widgets.form import ConfigForm
from app.widgets.grid import CardGrid
from app.widgets.labels import ElidedLabel, Label, scrolled
from app.widgets.log_view import LogView
from app.widgets.notices import Notices
from app.widgets.numbers import Number, NumbersPanel
from app.widgets.plot import Axis, BarPlot, HeatMap, LinePlot, ScatterPlot
from app.widgets.rail import NavRail, PageBar
from app.widgets.runs_table import RunRow, RunsTable
from engine.artifacts.refs import ArtifactRef, OfKind
from engine.errors import EngineError
from engine.studies.contract import Measure, Spec, TaskConfig, field


class Mlp(Spec):
    title: ClassVar[str] = "MLP"
    kind: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = field((64, 64), "Hidden layers", "The widths of the hidden layers.")


class Cnn(Spec):
    title: ClassVar[str] = "Small CNN"
    kind: Literal["cnn"] = "cnn"
    channels: int = field(16, "Channels", "Channels of the first layer.", ge=1, le=256)


class Hessian(Spec):
    top: int = field(10, "Top eigenvalues", "How many of the largest eigenvalues are computed.", ge=1, le=100)
    probes: int = field(8, "Probes", "Random vectors for the spectral density.", ge=1, le=64)


class Plane(TaskConfig):
    task: ClassVar[str] = "gallery.plane"
    title: ClassVar[str] = "Loss plane"
    summary: ClassVar[str] = "The loss on a plane through the trained weights."
    model: Annotated[ArtifactRef, OfKind("model")] | None = field(
        None, "Model", "The trained network whose surroundings are drawn."
    )
    net: Annotated[Mlp | Cnn, Field(discriminator="kind")] = field(Mlp(), "Network", "What is trained.")
    data: Literal["digits", "wine"] = field(
        "digits", "Data", "What it is trained on.", labels={"digits": "Digits (1 797)", "wine": "Wine (178)"}
    )
    directions: Literal["random", "filter", "pca"] = field(
        "filter",
        "Directions",
        "What spans the plane.",
        labels={"random": "Random", "filter": "Filter-normalised", "pca": "PCA of the path"},
    )
    grid: int = field(51, "Grid", "Points along each side.", ge=5, le=201)
    radius: float = field(
        1.0, "Radius", "How far the plane reaches, in norms of the weights.", symbol="r", gt=0, log=True
    )
    hessian: Hessian | None = field(Hessian(), "Hessian spectrum", "Largest eigenvalues and spectral density.")
    connect: bool = field(True, "Mode connectivity", "A curve of low loss between two solutions.")
    cka: bool = field(True, "CKA between runs", "Similarity of representations.")
    sharp: bool = field(False, "Sharpness", "Worst loss in a small ball.")
    rate: float = field(1e-3, "Learning rate", "Step of SGD.", gt=0, log=True, advanced=True)
    limit: float | None = field(None, "Time limit", "Stop after this long.", unit="s", gt=0, advanced=True)


MEASURES = [
    (
        Measure(
            "train_loss",
            "Train loss",
            "L",
            "nats",
            "Mean cross-entropy over the training set.",
            "own: by definition",
            3,
        ),
        0.0312,
        None,
    ),
    (
        Measure(
            "test_accuracy", "Test accuracy", "a", "%", "Share of test items that are classified rightly.", "own", 3
        ),
        97.1,
        (96.3, 97.9),
    ),
    (Measure("gap", "Generalisation gap", "g", "%", "Train accuracy minus test accuracy.", "own", 2), 2.6, (1.8, 3.4)),
    (
        Measure(
            "lambda_max",
            "λ max",
            "λ₁",
            "",
            "Largest eigenvalue of the Hessian of the mean training loss.",
            "Yang et al. 2021, sec. 3",
            3,
        ),
        14.2,
        (14.1, 14.3),
    ),
    (
        Measure(
            "trace", "Hessian trace", "Tr H", "", "Sum of all eigenvalues of the Hessian.", "Yao et al. 2020, eq. 4", 3
        ),
        118.0,
        (114.0, 122.0),
    ),
    (
        Measure(
            "mc",
            "Connectivity (Bézier)",
            "mc",
            "nats",
            "Mean loss at the ends minus the loss where the curve deviates most.",
            "Yang et al. 2021, eq. 4",
            2,
        ),
        -0.061,
        None,
    ),
    (
        Measure(
            "cka",
            "CKA (3 runs)",
            "s",
            "",
            "Linear CKA of the last layer, mean over pairs of runs.",
            "Kornblith et al. 2019, eq. 5",
            2,
        ),
        0.712,
        (0.692, 0.732),
    ),
    (
        Measure(
            "sharp",
            "Sharpness ε = 10⁻³",
            "φ",
            "",
            "Largest relative rise of the loss in a box.",
            "Keskar et al. 2017, eq. 4",
            2,
        ),
        3.4,
        None,
    ),
]

WARNINGS = (
    "Cluster 3 holds fewer rows than it has parameters: its covariance follows the prior.",
    "The likelihood rose by less than the tolerance, but a smaller model reaches more.",
    "2 of 50 starts ended in a spurious maximum and are left out of the ranking.",
    "Column 7 is constant and was dropped.",
    "The gap between rows seen and rows unseen is above half a nat: choose fewer axes.",
)

STUDIES = [
    ("landscape", "Landscape", "Training"),
    ("tails", "Tails", "Training"),
    ("rnn", "RNN stability", "Training"),
    ("odenet", "ODE-nets", "Training"),
    ("mixtures", "Mixtures", "Data"),
    ("documents", "Documents", "Data"),
    ("reconstruction", "Reconstruction", "Data"),
    ("language", "Language model", "Language"),
    ("roft", "Real or fake", "Language"),
    ("interview", "Interviews", "Language"),
    ("runs", "Runs", "All runs"),
    ("compare", "Compare", "All runs"),
]


def loss(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """A loss with one deep basin, a shallower one and a ridge: (…) -> (…)."""
    basin = 2.2 * (a + 0.35 * b) ** 2 + 1.1 * b**2
    second = -0.75 * np.exp(-((a - 0.62) ** 2 + (b - 0.52) ** 2) / 0.05)
    return 0.03 + np.log1p(3 * basin) + 0.16 * (1 - np.cos(3 * a) * np.cos(2.4 * b)) + second * 0.55


def heat(cursor: bool = True) -> HeatMap:
    plot = HeatMap(
        x=Axis("α (filter-normalised)"), y=Axis("β"), value=Axis("train loss", "nats"), log=True, cursor=cursor
    )
    side = np.linspace(-1, 1, 51)
    plot.set_field(side, side, loss(*np.meshgrid(side, side)))
    t = np.linspace(1, 0, 15) ** 1.6
    plot.set_path(np.stack([0.85 * t, 0.8 * t + 0.1 * np.sin(3 * t)], axis=1))
    plot.set_star(0.0, 0.0)
    plot.set_cursor(-0.42, -0.36)
    return plot


def coarse() -> HeatMap:
    plot = HeatMap(
        x=Axis("temperature T"),
        y=Axis("load"),
        value=Axis("log₁₀ λ max"),
        colour_map="diverging",
        contour_count=6,
        smooth=False,
    )
    x, y = np.linspace(0, 1, 17), np.linspace(0, 1, 13)
    z = 2 * np.tanh(3 * (np.add.outer(y, -x) + 0.1))
    z[9:, 11:] = np.nan
    plot.set_field(x, y, z)
    return plot


def spectrum() -> LinePlot:
    plot = LinePlot(x=Axis("eigenvalue λ"), y=Axis("density", log=True))
    x = np.linspace(-2, 16, 3000)
    peaks = sum(0.1 * np.exp(-((x - c) ** 2) / 0.012) for c in (3.1, 4.4, 5.2, 8.0, 9.3, 11.5, 14.2))
    plot.set_series("density", x, 1e-4 + 10 * np.exp(-(x**2) / 0.12) + 0.6 * np.exp(-((x - 1.1) ** 2) / 0.5) + peaks)
    plot.set_marks([11.5, 14.2], "largest eigenvalues")
    return plot


def connectivity() -> LinePlot:
    plot = LinePlot(x=Axis("t"), y=Axis("train loss", "nats"))
    t = np.linspace(0, 1, 61)
    plot.set_series("linear  mc −1.47", t, 0.03 + 1.5 * np.exp(-((t - 0.5) ** 2) / 0.02), colour="#cf781c")
    bezier = 0.03 + 0.06 * np.sin(np.pi * t)
    plot.set_series("Bézier  mc −0.06", t, bezier, band=(bezier * 0.7, bezier * 1.4), colour="#4c78d0")
    return plot


def training() -> LinePlot:
    plot = LinePlot(x=Axis("epoch"), y=Axis("loss", "nats"))
    rng = np.random.default_rng(0)
    x = np.arange(0, 4000) / 100
    for index, name in enumerate(("seed 0", "seed 1", "seed 2", "seed 3")):
        fall = 2.3 * np.exp(-x / (4 + index)) + 0.05 + 0.04 * index
        plot.append(name, x, fall * np.exp(0.12 * rng.standard_normal(len(x))))
    plot.set_log(y=True)
    return plot


def clusters() -> ScatterPlot:
    plot = ScatterPlot(x=Axis("sepal length", "cm"), y=Axis("petal length", "cm"))
    rng = np.random.default_rng(1)
    angle = np.linspace(0, 2 * np.pi, 90)
    for index, (centre, count) in enumerate((((5.0, 1.5), 50), ((5.9, 4.3), 50), ((6.6, 5.6), 50))):
        root = np.array([[0.35, 0.0], [0.1 + 0.3 * index, 0.15 + 0.15 * index]])
        points = rng.standard_normal((count, 2)) @ root.T + centre
        plot.set_points(f"cluster {index + 1}", points[:, 0], points[:, 1])
        ring = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) @ root.T + centre
        plot.set_outline(f"cluster {index + 1}", ring)
    return plot


def density() -> ScatterPlot:
    plot = ScatterPlot(x=Axis("x₁"), y=Axis("x₂"))
    rng = np.random.default_rng(2)
    rows = 1_000_000
    labels = rng.integers(0, 4, rows)
    middle = np.array([[0, 0], [3, 1], [1.5, 3], [-2, 3]])[labels]
    points = middle + rng.normal(size=(rows, 2)) * np.array([1, 0.6, 0.8, 0.5])[labels, None]
    colours = {f"cluster {k + 1}": SERIES[k] for k in range(4)}
    plot.set_density(points[:, 0], points[:, 1], labels, colours)
    return plot


def bars() -> BarPlot:
    plot = BarPlot(y=Axis("F1", "%"))
    plot.set_bars(
        ["text", "+ layout", "+ image", "all"],
        {"FUNSD": [53.2, 66.0, 58.1, 71.4], "XFUND": [49.0, 62.5, 55.9, 68.2]},
        {"FUNSD": ([51, 64, 56, 70], [55, 68, 60, 73]), "XFUND": ([47, 60, 54, 66], [51, 65, 58, 70])},
    )
    return plot


def card(title: str, caption: str, plot: QWidget | None, empty: str = "") -> Card:
    made = Card(title, caption, empty)
    if plot is not None:
        made.set_body(plot)
    return made


class TrainingFailed(EngineError):
    what = "Run {run} failed."
    why = "The loss became infinite in epoch {epoch}."
    remedy = "Lower the learning rate, or switch on gradient clipping under Advanced."


def setup() -> QFrame:
    frame = QFrame()
    frame.setProperty("role", "card")
    frame.setFixedWidth(theme().px(276))
    presets = {"quick": Plane(), "standard": Plane(grid=101), "paper": Plane(grid=201)}
    refs = [("MLP 64-64-10, run 0427", ArtifactRef(run="0427", name="model", kind="model"))]
    simple = ["net", "data", "directions", "grid", "radius", "hessian", "connect", "cka", "sharp"]
    form = ConfigForm(Plane, simple=simple, provider=lambda kind: refs, presets=presets)
    form.setObjectName("form")
    run = QPushButton("Run")
    run.setProperty("primary", True)
    column = QVBoxLayout(frame)
    column.setContentsMargins(13, 11, 13, 13)
    column.addWidget(Label("Set up", "section"))
    column.addWidget(scrolled(form), 1)
    column.addWidget(Label(f"{about(14).capitalize()} on CPU  ·  {size(60_000_000)}", "caption"))
    column.addWidget(run)
    return frame


def head() -> QWidget:
    bar = QWidget()
    row = QHBoxLayout(bar)
    row.setContentsMargins(2, 2, 2, 2)
    row.addWidget(Label("Landscape", "title"))
    row.addSpacing(12)
    row.addWidget(ElidedLabel("MLP 64-64-10 on digits   ·   run 0427   ·   12 s", "caption"), 1)
    for text in ("Open in …", "Export …", "Copy as Python"):
        row.addWidget(QPushButton(text))
    return bar


def runs() -> RunsTable:
    table = RunsTable()
    table.set_rows(
        [
            RunRow("0429", "0429 phase map digits", "Landscape sweep", "running", 0.38, 250, "CPU 0"),
            RunRow("0430", "0430 wine, 14 families", "Mixtures", "running", 0.71, 3, "CPU 1"),
            RunRow("0431", "0431 MLP seed 2", "Landscape", "queued", None, None, ""),
            RunRow("0428", "0428 MLP seed 1", "Training", "failed", 0.4, None, "CPU 0", "loss became infinite"),
            RunRow("0427", "0427 MLP 64-64-10", "Landscape", "finished", 1.0, None, "CPU 0"),
            RunRow("0426", "0426 LSTM noise 0.1", "RNN stability", "stopped", 0.55, None, "CPU 1"),
            *(
                RunRow(f"{n:04d}", f"{n:04d} MLP seed {n % 7}", "Training", "finished", 1.0, None, "CPU 0")
                for n in range(425, 380, -1)
            ),
        ]
    )
    return table


def cards(page: str) -> list[Card]:
    """The pictures of a page."""
    if page == "plane":
        return [
            card("Loss plane", "train, log₁₀ cross-entropy, 51 × 51", heat()),
            card(
                "Surface", "drag to turn · wheel to zoom", None, "The surface appears here once the plane is computed."
            ),
            card("Hessian spectrum", "Lanczos quadrature, 8 probes, 1 000 images", spectrum()),
            card("Mode connectivity", "run 0427 → run 0431, 61 points along the curve", connectivity()),
        ]
    log = LogView()
    lines = (f"12:0{i}:1{i}  epoch {i}  loss {2.3 / (i + 1):.4f}  accuracy {0.5 + 0.05 * i:.3f}" for i in range(9))
    log.append("\n".join(lines))
    return [
        card("Training", "4 seeds, every step", training()),
        card("Phase map", "17 × 13 networks, coarse so far", coarse()),
        card("Clusters", "iris, 3 components, family VVV, 2-σ ellipses", clusters()),
        card("Density", "a million rows", density()),
        card("Modalities", "relation extraction, 3 seeds, 95 % intervals", bars()),
        card("Log", "run 0429", log),
    ]


def numbers(warned: bool) -> NumbersPanel:
    """The panel at the right."""
    panel = NumbersPanel()
    panel.setFixedWidth(theme().px(286))
    warning = "One Lanczos run did not converge."
    panel.set_numbers([Number(m, v, i, warning=warning if m.id == "trace" and warned else "") for m, v, i in MEASURES])
    panel.view.setCurrentIndex(panel.model.index(3))
    panel.set_callout("\n".join(WARNINGS) if warned else "Phase IV-B  ·  flat, connected, similar")
    return panel


def centre(page: str) -> QVBoxLayout:
    """Pages and pictures."""
    column = QVBoxLayout()
    column.setSpacing(6)
    names = ("Plane", "Hessian", "Connectivity", "Similarity", "Phases")
    column.addWidget(PageBar([(name.lower(), name) for name in names]))
    if page != "empty":
        grid = CardGrid()
        for made in cards(page):
            grid.add(made)
        column.addWidget(grid, 1)
        return column
    frame = QFrame()
    frame.setProperty("role", "card")
    words = (
        "Shows the loss around a trained network: planes, curvature, paths between solutions. "
        "Put in your own model, or look at a small network on handwritten digits."
    )
    QVBoxLayout(frame).addWidget(EmptyState("Landscape", words, "landscape"))
    column.addWidget(frame, 1)
    return column


def rail() -> NavRail:
    """The tabs at the left."""
    made = NavRail()
    for key, text, group in STUDIES:
        made.add(key, text, key, group)
    made.set_current("landscape")
    return made


def window(page: str) -> QWidget:
    """The main window as it may be composed, on one of the pages "plane", "more", "empty"."""
    root = QWidget()
    root.setWindowTitle("Theodolite")
    reporter = Reporter(root)
    middle = QHBoxLayout()
    middle.setSpacing(10)
    middle.addWidget(setup())
    middle.addLayout(centre(page), 1)
    middle.addWidget(numbers(page == "more"))
    top = QWidget()
    column = QVBoxLayout(top)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(8)
    column.addWidget(head())
    column.addWidget(Notices(reporter))
    column.addLayout(middle, 1)
    split = QSplitter(Qt.Orientation.Vertical)
    split.setHandleWidth(8)
    split.addWidget(top)
    split.addWidget(runs())
    split.setStretchFactor(0, 1)
    split.setSizes([700, 190])
    row = QHBoxLayout(root)
    row.setContentsMargins(4, 8, 12, 8)
    row.setSpacing(8)
    row.addWidget(rail())
    row.addWidget(split, 1)
    if page == "more":
        reporter.error(TrainingFailed(run="0428", epoch=3), details=lambda: None)
        reporter.tell("good", "Run {run} is finished.", run="0427")
    return root


def dialog() -> ConsentDialog:
    text = (
        "import torch\n\n\ndef build():\n"
        "    return torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))\n"
    )
    return ConsentDialog(
        [
            SourceFile("~/nets/model.py", "9f2c" * 16, text),
            SourceFile("~/nets/data.py", "03ab" * 16, "def data():\n    ...\n"),
        ]
    )


def main(folder: Path, only: str = "") -> None:
    """Write the PNGs into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    app = QApplication.instance() or QApplication(sys.argv[:1])
    for mode in ("light", "dark"):
        install(app, mode)
        for page, sizes in (
            ("plane", [(1280, 800), (1920, 1080)]),
            ("more", [(1280, 800), (1920, 1080)]),
            ("empty", [(1024, 700)]),
        ):
            if only and only not in f"{page}-{mode}":
                continue
            made = window(page)
            for width, height in sizes:
                made.resize(QSize(width, height))
                made.show()
                made.setFocus()
                for _ in range(4):
                    app.processEvents()
                made.grab().save(str(folder / f"{page}-{mode}-{width}.png"))
            made.close()
            made.deleteLater()
        asked = dialog()
        asked.show()
        app.processEvents()
        asked.grab().save(str(folder / f"consent-{mode}.png"))
        asked.close()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "gallery"), sys.argv[2] if len(sys.argv) > 2 else "")
