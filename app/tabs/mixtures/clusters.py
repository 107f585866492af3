"""The page Clusters: one large scatter or a few columns in pairs, with what is drawn along the axes and in colour."""

from __future__ import annotations

from functools import partial

import numpy as np
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QMenu, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.shell.background import Background
from app.shell.icons import icon
from app.shell.text import live, number, tr
from app.shell.theme import SPACE_1, SPACE_2
from app.tabs.mixtures import picture
from app.tabs.mixtures.model import MixturesModel
from app.tabs.mixtures.pairs import MOST, PairPlot, pairs_of
from app.tabs.mixtures.picture import Array, Density, Picture
from app.tabs.mixtures.scatter import COLOURINGS, ClusterPlot, axis_title, draw, draw_density, legend, row_colours
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.labels import Label
from app.widgets.plot import Axis
from engine.studies.mixture.kinds import Fitted

Cloud = tuple[Density, Array]


class ClustersPage(QWidget):
    """The pictures of the rows.

    Signals:
        drawn: the scatter shows other rows, with their Picture.
    """

    drawn = Signal(object)

    def __init__(self, model: MixturesModel) -> None:
        super().__init__()
        self.model = model
        self.columns: list[str] = []  # of the pairs, chosen by hand; empty: those that tell the clusters apart
        self._cloud: tuple[object, Cloud] | None = None
        self._asked: object = None
        self._drawn_axes: object = None
        self._background: Background | None = None
        self.boxes = [QComboBox() for _ in range(4)]
        self.captions = [Label("", "muted"), Label("", "muted")]
        self.across, self.up, self.colouring, self.solution = self.boxes
        self.pairs_button, self.columns_button = QToolButton(), QToolButton()
        self.grid = CardGrid(columns=1)
        self.scatter = ClusterPlot("Clusters")
        self.scatter.redraw = self.refresh
        self.card = self.grid.add(Card("Clusters", empty="The rows, coloured by cluster, appear here."))
        self.card.set_body(self.scatter)
        self.pairs = PairPlot()
        self.pairs.picked.connect(self._enlarge)
        self.pairs_card = self.grid.add(Card("Pairs", empty="The columns against each other appear here."))
        self.pairs_card.set_body(self.pairs)
        self.pairs_card.show_empty()
        self.grid.set_shown(self.pairs_card, False)
        self._build()
        live(self._say)

    def _build(self) -> None:
        self.bar = QHBoxLayout()
        self.bar.setContentsMargins(0, 0, 0, 0)
        self.bar.setSpacing(SPACE_1 + 2)
        for box, label, share in zip(self.boxes, (*self.captions, None, None), (5, 5, 4, 4), strict=True):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            box.setMinimumWidth(56)
            if label is not None:
                label.setBuddy(box)
                self.bar.addWidget(label)
            self.bar.addWidget(box, share)
        self.across.activated.connect(self._choose_axes)
        self.up.activated.connect(self._choose_axes)
        self.colouring.activated.connect(lambda _index: self.refresh())
        self.solution.activated.connect(lambda index: self.show_solution(index))
        self.pairs_button.setCheckable(True)
        self.pairs_button.toggled.connect(self.show_pairs)
        self.columns_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.columns_button.setMenu(self._menu)
        self.columns_button.setIcon(icon("table"))
        for button in (self.columns_button, self.pairs_button):
            self.bar.addWidget(button)
        self.columns_button.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE_2)
        column.addLayout(self.bar)
        column.addWidget(self.grid, 1)
        self._list_solutions()

    def _say(self) -> None:
        hints = (
            "What is drawn from left to right", "What is drawn from bottom to top", "What colours mean",
            "Which local maximum is shown",
        )  # fmt: skip
        for label, word in zip(self.captions, "xy", strict=True):
            label.setText(word)
        for box, hint in zip(self.boxes, hints, strict=True):
            box.setAccessibleName(tr(hint))
            box.setToolTip(tr(hint))
        self.pairs_button.setText(tr("Pairs"))
        self.pairs_button.setToolTip(tr("Show up to {count} columns against each other", count=MOST))
        self.columns_button.setToolTip(tr("Columns of the pairs"))
        self.columns_button.setAccessibleName(tr("Columns of the pairs"))
        chosen = max(0, self.colouring.currentIndex())
        self.colouring.clear()
        for key, text in COLOURINGS.items():
            self.colouring.addItem(tr(text), key)
        self.colouring.setCurrentIndex(chosen)
        self._list_axes()
        self._list_solutions()

    # Model -----------------------------------------------------------------------------------------------------------
    def clear(self, gone: set[str]) -> None:
        """Take the old rows away."""
        if "mixture" not in gone:
            return
        self._cloud = self._asked = self._drawn_axes = None
        self.scatter.clear()
        self.card.set_caption("")
        self.pairs.show_pairs(None)
        self.pairs_card.show_empty()

    def card_of(self, stage: str) -> Card:
        """Where the rows would be."""
        return self.card

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Draw a newer version of the mixture."""
        if "mixture" not in changed:
            return
        self._list_axes()
        self._list_solutions()
        self.refresh()

    def refresh(self) -> None:
        """Draw anew what is in front: the view stays where the axes are the same."""
        found, shown = self.model.mixture, self.model.picture()
        if found is None or shown is None:
            return
        self.drawn.emit(shown)
        if self.pairs_button.isChecked():
            self._draw_pairs(shown, self.colouring.currentData())
        else:
            self._draw_large(found, shown, self.colouring.currentData())

    def _draw_large(self, found: Fitted, shown: Picture, colouring: str) -> None:
        if self.model.axes != self._drawn_axes:
            self._drawn_axes = self.model.axes
            self.scatter.clear()
            across, up = self.model.axes
            self.scatter.axes = (Axis(axis_title(across)), Axis(axis_title(up)))
        key = self.model.density_key()
        if key is not None and self._cloud is not None and self._cloud[0] == key:
            cloud, doubt = self._cloud[1]
            draw_density(self.scatter, cloud, shown, colouring, found.classes, doubt)
        else:
            draw(self.scatter, shown, colouring, found.classes)
            if key is not None:
                self._ask(key)
        self._caption(len(shown.x))

    def _ask(self, key: object) -> None:
        """Project all rows beside the window's thread; the sample is in sight until then."""
        if key == self._asked:
            return
        if self._background is None:
            self._background = Background(self)
        self._asked = key
        assert self.model.mixture is not None
        job = partial(_cloud_of, self.model.mixture, self.model.axes)
        self._background.do(job, lambda cloud: self._take(key, cloud))

    def _take(self, key: object, cloud: Cloud) -> None:
        if key == self.model.density_key():
            self._cloud = (key, cloud)
            self.refresh()

    def close_page(self) -> None:
        """End the thread that projects."""
        if self._background is not None:
            self._background.close()
            self._background = None

    def _caption(self, shown: int) -> None:
        found = self.model.mixture
        assert found is not None
        words: dict[str, object] = {
            "model": f"{found.family} {len(found.weights)}", "shown": number(shown),
            "n": number(max(found.took_part, len(found.x))),
        }  # fmt: skip
        if self.model.solution:
            words |= {"k": self.model.solution + 1, "of": max(self.model.maxima(), self.model.solution + 1)}
            template = (
                "local maximum {k} of {of}; {shown} of {n} rows, as only theirs are kept; ellipses: 1 and 2 σ"
                if shown < found.took_part else "local maximum {k} of {of}; {n} rows; ellipses: 1 and 2 σ"
            )  # fmt: skip
        elif not found.complete:
            template = "the best start so far; {model}, {shown} rows"
        elif self.scatter.is_density():
            words["shown"] = number(len(found.x))
            all_there = len(found.x) >= found.took_part
            template = (
                "{model}, density of {n} rows; ellipses: 1 and 2 σ" if all_there
                else "{model}, density of a random {shown} of {n} rows; ellipses: 1 and 2 σ"
            )  # fmt: skip
        elif found.took_part > len(found.x):
            template = "{model}, a random {shown} of {n} rows; ellipses: 1 and 2 σ"
        else:
            template = "{model}, {shown} of {n} rows; ellipses: 1 and 2 σ"
        self.card.set_caption(template, **words)

    # Choices ---------------------------------------------------------------------------------------------------------
    def _list_axes(self) -> None:
        names = self.model.axis_names()
        for box, chosen in zip((self.across, self.up), self.model.axes, strict=True):
            if [box.itemData(i) for i in range(box.count())] != names:
                box.clear()
            for index, key in enumerate(names):
                if index >= box.count():
                    box.addItem("", key)
                box.setItemText(index, axis_title(key))
            box.setCurrentIndex(max(0, box.findData(chosen)))
            box.setEnabled(box.count() > 0)

    def _list_solutions(self) -> None:
        found = self.model.mixture
        count = 0 if found is None else len(found.solution_weights)
        self.solution.clear()
        for s in range(count):
            self.solution.addItem(tr("best") if s == 0 else tr("maximum {n}", n=s + 1))
        self.solution.setCurrentIndex(min(self.model.solution, count - 1))
        self.solution.setVisible(count > 1)

    def _choose_axes(self, _index: int) -> None:
        self.model.axes = (self.across.currentData(), self.up.currentData())
        self.refresh()

    def show_solution(self, maximum: int) -> None:
        """Show a local maximum, 0 the best; one that was not kept is ignored."""
        found = self.model.mixture
        if found is not None and (maximum == 0 or maximum < len(found.solution_weights)):
            self.model.solution = maximum
            self.solution.setCurrentIndex(maximum)
            self.refresh()

    # Pairs -----------------------------------------------------------------------------------------------------------
    def show_pairs(self, on: bool) -> None:
        """Show the pairs instead of the large scatter, or go back."""
        self.pairs_button.setChecked(on)
        self.grid.maximise(None)
        self.grid.set_shown(self.pairs_card, on)
        self.grid.set_shown(self.card, not on)
        for widget in (*self.captions, *self.boxes[:2]):
            widget.setVisible(not on)
        self.columns_button.setVisible(on)
        self.refresh()

    def pair_columns(self) -> list[str]:
        """The columns of the pairs: those chosen, else those that tell the clusters apart best."""
        found = self.model.mixture
        if found is None:
            return []
        chosen = [name for name in self.columns if name in found.names]
        return (chosen or picture.discriminating(found))[:MOST]

    def _draw_pairs(self, shown: Picture, colouring: str) -> None:
        found, names = self.model.mixture, self.pair_columns()
        assert found is not None
        if len(names) < 2:
            self.pairs_card.show_empty("There are no pairs: the table has one column.")
            return
        every_row = len(shown.x) == len(found.x)
        at = np.arange(len(found.x)) if every_row else np.asarray(found.sample)
        mixture = picture.parameters(found, self.model.solution)
        pairs = pairs_of(found, names, row_colours(shown, colouring), at, mixture, legend(found, colouring))
        self.pairs.show_pairs(pairs)
        self.pairs_card.show_body()
        words = {"shown": number(len(pairs.rows)), "n": number(max(found.took_part, len(found.x)))}
        self.pairs_card.set_caption("{shown} of {n} rows; ellipses: 2 σ; click a panel to enlarge it", **words)

    def _enlarge(self, across: str, up: str) -> None:
        self.model.axes = (across, up)
        self._list_axes()
        self.show_pairs(False)

    def _fill_menu(self) -> None:
        self._menu.clear()
        found = self.model.mixture
        chosen = self.pair_columns()
        for name in found.names if found is not None else ():
            action = self._menu.addAction(name.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(name in chosen)
            action.setEnabled(name in chosen or len(chosen) < MOST)
            action.toggled.connect(lambda on, name=name: self.choose_column(name, on))

    def choose_column(self, name: str, on: bool) -> None:
        """Take a column into the pairs, or out of them; two stay at least."""
        chosen = [one for one in self.pair_columns() if one != name]
        wanted = [*chosen, name] if on else chosen
        if 2 <= len(wanted) <= MOST:
            self.columns = wanted
            self.refresh()


def _cloud_of(found: Fitted, axes: tuple[str, str]) -> Cloud:
    cloud = picture.density(found, axes)
    return cloud, 1 - np.asarray(found.memberships).max(axis=1)
