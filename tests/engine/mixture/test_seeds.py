"""Default fits of known tables: the same labels whatever the seed, and the published agreement with the classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.studies import catalogue
from engine.studies.mixture.config import BuiltinTable, FitConfig
from engine.studies.mixture.model.agreement import adjusted_rand_index
from tests.engine.fakes import FakeRun


@pytest.mark.parametrize(
    ("name", "components", "agreement"), [("iris", 3, 0.90), ("wine", 3, 0.93), ("faithful", 2, 0)]
)
def test_seeds_change_no_label(name: str, components: int, agreement: float, tmp_path: Path) -> None:
    labels = []
    for seed in (0, 1, 7):
        fake = FakeRun(tmp_path, seed)
        config = FitConfig(data=BuiltinTable(name=name), components=components, seed=seed)
        catalogue.task(config.task).run(config, fake)
        labels.append(fake.last("mixture").labels())
        if agreement:
            assert fake.scalars["ari"][0] >= agreement
            # Fewer than five rows a parameter: the best likelihood alone is no guide, and this is said.
            assert any("rows a parameter" in template for template, _ in fake.warnings)
    assert min(adjusted_rand_index(labels[0], other) for other in labels[1:]) >= 0.98


def test_old_faithful_has_two_clusters_of_short_and_long_eruptions(tmp_path: Path) -> None:
    """As by mclust 6.0.0: Mclust(faithful, G = 2, modelNames = "VVV", control = emControl(tol = c(1e-10, 1e-10)))."""
    fake = FakeRun(tmp_path)
    catalogue.task("mixture.fit").run(FitConfig(data=BuiltinTable(name="faithful"), components=2, tolerance=1e-9), fake)
    found = fake.last("mixture")
    assert found.log_likelihood == pytest.approx(-1130.26396, abs=1e-4)
    np.testing.assert_allclose(found.weights, [0.64412696, 0.35587304], atol=1e-5)
    np.testing.assert_allclose(found.means, [[4.2896624, 79.9681200], [2.0363889, 54.4785209]], rtol=1e-5)
