"""Planes through paths and models, against scikit-learn and elementary geometry."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from engine.studies.landscape import planes
from engine.studies.landscape.directions import ParallelDirections
from engine.studies.landscape.planes import ShortPath, principal_plane, project, three_point_plane


def path(snapshots: int = 12, size: int = 40, seed: int = 0) -> np.ndarray:
    """A bent path that ends near the origin, with a little noise."""
    rng = np.random.default_rng(seed)
    t = np.linspace(1, 0, snapshots)[:, None]
    axes = rng.normal(size=(3, size))
    return 5 * t * axes[0] + 2 * t**2 * axes[1] + np.sin(3 * t) * axes[2] + 0.05 * rng.normal(size=(snapshots, size))


def test_centred_axes_are_those_of_scikit_learn():
    snapshots = path()
    final = torch.from_numpy(snapshots[-1])
    plane = principal_plane(snapshots, final)
    oracle = PCA(svd_solver="full").fit(snapshots - snapshots[-1])
    np.testing.assert_allclose(plane.explained, oracle.explained_variance_ratio_[:2], rtol=1e-10)
    np.testing.assert_allclose(plane.spectrum[:5], oracle.explained_variance_ratio_[:5], rtol=1e-8)
    alignment = np.abs(plane.directions.numpy() @ oracle.components_[:2].T)
    np.testing.assert_allclose(alignment, np.eye(2), atol=1e-8)


def test_uncentred_axes_are_singular_vectors_through_the_final_weights():
    snapshots = path()
    final = torch.from_numpy(snapshots[-1])
    plane = principal_plane(snapshots, final, centred=False)
    _, values, vectors = np.linalg.svd(snapshots - snapshots[-1], full_matrices=False)
    np.testing.assert_allclose(np.abs(plane.directions.numpy() @ vectors[:2].T), np.eye(2), atol=1e-8)
    np.testing.assert_allclose(plane.explained, values[:2] ** 2 / (values**2).sum(), rtol=1e-10)


def test_the_uncentred_plane_lies_nearest_to_the_path():
    snapshots = path(seed=3)
    final = torch.from_numpy(snapshots[-1])
    residuals = [
        float((project(snapshots, final, principal_plane(snapshots, final, centred=c).directions).residual ** 2).sum())
        for c in (False, True)
    ]
    assert residuals[0] < residuals[1]


def test_unexplained_share_is_the_residual_of_the_uncentred_plane():
    snapshots = path()
    final = torch.from_numpy(snapshots[-1])
    plane = principal_plane(snapshots, final, centred=False)
    seen = project(snapshots, final, plane.directions)
    share = (seen.residual**2).sum() / (seen.distance**2).sum()
    assert 1 - plane.explained.sum() == pytest.approx(share, rel=1e-9)


def test_axes_are_orthonormal_and_point_to_the_start():
    snapshots = path().astype(np.float32)
    plane = principal_plane(snapshots, torch.from_numpy(snapshots[-1]), count=3)
    gram = plane.directions.double() @ plane.directions.double().T
    torch.testing.assert_close(gram, torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)
    seen = project(snapshots, torch.from_numpy(snapshots[-1]), plane.directions)
    assert bool((seen.coordinates[0] >= 0).all())
    assert plane.directions.dtype == torch.float32


def test_a_path_on_disk_is_read_in_parts(tmp_path, monkeypatch):
    snapshots = path(size=101).astype(np.float32)
    np.save(tmp_path / "path.npy", snapshots)
    final = torch.from_numpy(snapshots[-1].copy())
    whole = principal_plane(snapshots, final)
    monkeypatch.setattr(planes, "COLUMNS", 17)
    parts = principal_plane(np.load(tmp_path / "path.npy", mmap_mode="r"), final)
    torch.testing.assert_close(parts.directions, whole.directions, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(parts.explained, whole.explained, rtol=1e-9)


def test_tensors_are_snapshots_too():
    snapshots = path()
    final = torch.from_numpy(snapshots[-1])
    assert torch.equal(
        principal_plane(torch.from_numpy(snapshots), final).directions, principal_plane(snapshots, final).directions
    )


@pytest.mark.parametrize(
    "snapshots",
    [np.zeros((0, 5)), np.ones((1, 5)), np.ones((4, 5)), np.outer(np.arange(6.0), np.arange(5.0))],
    ids=["none", "one", "still", "straight"],
)
def test_a_path_without_a_plane_is_refused(snapshots):
    with pytest.raises(ShortPath, match=f"{len(snapshots)} snapshots"):
        principal_plane(snapshots, torch.zeros(5, dtype=torch.float64))


def test_three_models_lie_where_they_say():
    models = [torch.randn(30, dtype=torch.float64, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    plane = three_point_plane(*models)
    torch.testing.assert_close(plane.directions @ plane.directions.T, torch.eye(2, dtype=torch.float64))
    for model, position in zip(models, plane.positions, strict=True):
        torch.testing.assert_close(plane.origin + torch.from_numpy(position) @ plane.directions, model)
    assert plane.positions[0].tolist() == [0.0, 0.0]
    assert plane.positions[1, 1] == 0.0
    assert plane.positions[1, 0] == pytest.approx(float((models[1] - models[0]).norm()))
    assert plane.positions[2, 1] > 0


def test_three_models_in_single_precision():
    models = [torch.randn(30, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    plane = three_point_plane(*models)
    assert plane.directions.dtype == torch.float32
    rebuilt = plane.origin + torch.from_numpy(plane.positions[2]).float() @ plane.directions
    torch.testing.assert_close(rebuilt, models[2], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("second", "third", "index"), [(0.0, 1.0, 1), (1.0, 0.0, 2), (1.0, 2.0, 2)])
def test_models_on_one_line_are_refused(second, third, index):
    first, step = torch.ones(5), torch.arange(5.0)
    with pytest.raises(ParallelDirections, match=f"Direction {index}"):
        three_point_plane(first, first + second * step, first + third * step)


def test_projection_onto_oblique_directions():
    origin = torch.tensor([1.0, 1.0, 1.0])
    directions = torch.tensor([[2.0, 0.0, 0.0], [1.0, 3.0, 0.0]])
    points = np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0], [2.0, 4.0, 5.0]])
    seen = project(points, origin, directions)
    np.testing.assert_allclose(seen.coordinates, [[0, 0], [1, 0], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(seen.residual, [0, 0, 4], atol=1e-12)
    np.testing.assert_allclose(seen.distance, [0, 2, np.sqrt(1 + 9 + 16)], atol=1e-12)


def test_small_residuals_of_far_points_are_exact():
    directions = torch.eye(2, 6, dtype=torch.float64)
    points = np.zeros((1, 6))
    points[0, :3] = 1e6, -1e6, 1e-6
    seen = project(points, torch.zeros(6, dtype=torch.float64), directions)
    assert seen.residual[0] == pytest.approx(1e-6, rel=1e-12)


def test_pythagoras():
    snapshots = path()
    directions = torch.randn(2, 40, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen = project(snapshots, torch.zeros(40, dtype=torch.float64), directions)
    inside = np.linalg.norm(seen.coordinates @ directions.numpy(), axis=1)
    np.testing.assert_allclose(inside**2 + seen.residual**2, seen.distance**2, rtol=1e-10)
    assert seen.coordinates.shape == (12, 2)
