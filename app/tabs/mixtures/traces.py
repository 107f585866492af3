"""The page Traces: likelihood, out-of-bag likelihood, weights and axes of every chain, iteration by iteration."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.shell.text import tr
from app.tabs.mixtures.colours import cluster_colour
from app.tabs.mixtures.model import MixturesModel
from app.widgets.card import Card
from app.widgets.grid import CardGrid
from app.widgets.plot import Axis, LinePlot
from engine.studies.mixture.kinds import Fitted

BURN, WINDOW = "burn-in", "stop window"


class TracesPage(CardGrid):
    """What every chain went through."""

    def __init__(self) -> None:
        super().__init__(narrow=500, row_height=226)
        steps = Axis("iteration", whole=True)
        self.likelihood = LinePlot("Log-likelihood", x=steps, y=Axis("log L a row", "nat"))
        self.weights = LinePlot("Weights", x=steps, y=Axis("weight π", "%"))
        self.out_of_bag = LinePlot("Out of bag", x=steps, y=Axis("out-of-bag log L a row", "nat"))
        self.angle = LinePlot("Axes", x=steps, y=Axis("smallest cosine"))
        self.likelihood_card = self.add(
            Card("Log-likelihood", empty="The climb of every chain appears here once a fit is finished.")
        )
        self.weights_card = self.add(Card("Weights", empty="The weights of the best chain's clusters appear here."))
        self.out_of_bag_card = self.add(
            Card("Out of bag", empty="The two bootstraps show here how likely the rows left out are.")
        )
        self.angle_card = self.add(
            Card("Axes", empty="BootSpectral shows here how far its axes turn from one resample to the next.")
        )
        for card, plot in self._pairs():
            card.set_body(plot)

    def _pairs(self) -> list[tuple[Card, LinePlot]]:
        return [
            (self.likelihood_card, self.likelihood),
            (self.weights_card, self.weights),
            (self.out_of_bag_card, self.out_of_bag),
            (self.angle_card, self.angle),
        ]

    def clear(self, gone: set[str]) -> None:
        """Take the old traces away."""
        if "mixture" in gone:
            self._empty()

    def _empty(self) -> None:
        for card, plot in self._pairs():
            plot.clear()
            card.set_caption("")

    def show_model(self, model: MixturesModel, changed: set[str]) -> None:
        """Draw the traces of a fit; while it runs, as far as it tells them."""
        found = model.mixture
        if "mixture" not in changed or found is None:
            return
        self._empty()
        trace = np.asarray(found.trace)
        if trace.size:
            best = _draw(self.likelihood, found, trace)
            words = {"count": trace.shape[1], "steps": len(trace)}
            self.likelihood_card.set_caption("{count} chains, {steps} iterations", **words)
            self._show_weights(found, best)
        for values, plot, card, caption in (
            (found.trace_out_of_bag, self.out_of_bag, self.out_of_bag_card, "rows left out of each resample"),
            (found.trace_angle, self.angle, self.angle_card, "between successive axes; 1 is no turn"),
        ):
            self.set_shown(card, bool(np.asarray(values).size))
            if np.asarray(values).size:
                _draw(plot, found, np.asarray(values))
                card.set_caption(caption)

    def _show_weights(self, found: Fitted, best: int | None) -> None:
        weights = np.asarray(found.trace_weights)
        if best is None or not weights.size:
            return
        steps = np.arange(1, len(weights) + 1)
        for k in range(weights.shape[2]):
            self.weights.set_series(str(k + 1), steps, 100 * weights[:, best, k], colour=cluster_colour(k))
        _shade(self.weights, found, len(weights))
        self.weights_card.set_caption("of the clusters in the best chain")


def best_chain(found: Fitted) -> int | None:
    """The traced chain whose solution is shown; None where it was not traced."""
    chains = np.asarray(found.trace_chain)
    ended = np.asarray(found.member)
    known = [c for c in range(len(chains)) if 0 <= chains[c] < len(ended) and ended[chains[c]] == 0]
    if not known:
        return None
    scores = np.asarray(found.objectives)[chains[known]]
    return known[int(np.argmax(np.where(np.isfinite(scores), scores, -np.inf)))]


def _draw(plot: LinePlot, found: Fitted, values: np.ndarray[Any, Any]) -> int | None:
    """Every chain (T, C) in a muted line, the best one in the accent's colour; returns which is the best."""
    best = best_chain(found)
    steps = np.arange(1, len(values) + 1, dtype=float)
    others = [c for c in range(values.shape[1]) if c != best]
    if others:
        gap = np.full((1, len(others)), np.nan)
        x = np.tile(np.append(steps, np.nan), len(others))
        y = np.concatenate([values[:, others], gap]).T.reshape(-1)
        plot.set_series(tr("others") if best is not None else tr("chains"), x, y, colour="muted")
    if best is not None:
        plot.set_series(tr("best"), steps, values[:, best], colour="accent")
    _shade(plot, found, len(values))
    return best


def _shade(plot: LinePlot, found: Fitted, steps: int) -> None:
    """Shade the iterations before memberships are collected, and the last ones, which the stop rule compares."""
    if found.burn:
        plot.set_span(tr(BURN), 1, min(found.burn, steps), colour="muted")
    if found.window:
        plot.set_span(tr(WINDOW), max(1, steps - found.window + 1), steps, colour="good")
