"""Whether default fits give the same labels whatever the seed, and agree with known classes: shares printed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.studies import catalogue
from engine.studies.mixture.config import RESAMPLED, BuiltinTable, FileTable, FitConfig
from engine.studies.mixture.model.agreement import adjusted_rand_index
from tests.engine.fakes import FakeRun

pytestmark = pytest.mark.benchmark
SEEDS = 20
ALIKE = 0.98  # adjusted Rand index of two seeds from which they count as the same labels


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def birds(path: Path, gaps: float = 0.04) -> FileTable:
    """Three species of 150, 70 and 120 birds with four correlated measurements, in the proportions of penguins."""
    rng = np.random.default_rng(0)
    means = np.array([[38.8, 18.3, 190, 3700], [48.8, 18.4, 196, 3730], [47.5, 15.0, 217, 5080]])
    deviations = np.array([[2.7, 1.2, 6.5, 460], [3.3, 1.1, 7.1, 380], [3.1, 1.0, 6.5, 500]])
    correlation = np.full((4, 4), 0.45) + 0.55 * np.eye(4)
    labels = np.repeat([0, 1, 2], [150, 70, 120])
    x = means[labels] + deviations[labels] * (rng.standard_normal((340, 4)) @ np.linalg.cholesky(correlation).T)
    cells = [[f"{value:.1f}" if rng.random() > gaps else "" for value in row] for row in x]
    lines = [",".join([*row, "abc"[label]]) for row, label in zip(cells, labels, strict=True)]
    path.write_text("\n".join(["bill,depth,flipper,mass,species", *lines]), encoding="utf-8")
    return FileTable(path=str(path), label="species")


# Clusters; least share of seeds alike and median agreement with the classes, by EM and by the two bootstraps.
CASES = {"iris": (3, 0.95, 0.88), "wine": (3, 0.95, 0.93), "faithful": (2, 0.95, None), "birds": (3, 0.95, 0.9)}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("method", ["em", "t", *RESAMPLED])
def test_seeds_agree(name: str, method: str, tmp_path: Path) -> None:
    components, least, agreement = CASES[name]
    data = birds(tmp_path / "birds.csv") if name == "birds" else BuiltinTable(name=name)
    labels, scores, flagged = [], [], 0
    begun = time.process_time()
    for seed in range(SEEDS):
        fake = FakeRun(tmp_path, seed)
        catalogue.task("mixture.fit").run(FitConfig(data=data, components=components, method=method, seed=seed), fake)
        labels.append(fake.last("mixture").labels())
        scores.append(fake.scalars["ari"][0] if "ari" in fake.scalars else np.nan)
        flagged += any("rows a parameter" in template or "overfitted" in template for template, _ in fake.warnings)
    spent = (time.process_time() - begun) / SEEDS
    alike = np.array([[adjusted_rand_index(a, b) >= ALIKE for b in labels] for a in labels])
    share = alike.mean(axis=1).max()
    between = np.median([adjusted_rand_index(a, b) for i, a in enumerate(labels) for b in labels[:i]])
    print(
        f"{name} {method}: {100 * share:.0f} % of seeds alike, median ARI between seeds {between:.3f}, with the classes"
        f" {np.median(scores):.3f} (least {np.min(scores):.3f}), flagged {flagged} of {SEEDS}, {spent:.2f} s a fit"
    )
    if method == "em":
        assert share >= least
        assert agreement is None or np.median(scores) >= agreement
    if name == "wine" and method == "em":
        assert flagged == SEEDS
