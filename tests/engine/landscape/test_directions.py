"""Random directions: their norms, their streams, their angles."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from torch import nn

from engine.studies.landscape.directions import (
    ParallelDirections,
    describe,
    orthogonalised,
    random_direction,
    random_plane,
)
from engine.studies.landscape.vectors import Layout
from engine.studies.landscape.weights import read_weights, trainable


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 4))


@pytest.fixture
def layout(network) -> Layout:
    return Layout.of(trainable(network))


@pytest.fixture
def weights(network) -> torch.Tensor:
    return read_weights(network)


def test_each_filter_gets_the_norm_of_its_weights(network, layout, weights):
    parts = layout.unflatten(random_direction(layout, weights, 0, 0))
    for name, parameter in (("0.weight", network[0].weight), ("4.weight", network[4].weight)):
        rows, own = parts[name].flatten(1).norm(dim=1), parameter.detach().flatten(1).norm(dim=1)
        torch.testing.assert_close(rows, own)


def test_vectors_stay_zero_as_in_the_paper(layout, weights):
    parts = layout.unflatten(random_direction(layout, weights, 0, 0))
    for name in ("0.bias", "1.weight", "1.bias", "4.bias"):
        assert not parts[name].any()


def test_vectors_move_as_one_layer_when_asked(network, layout, weights):
    parts = layout.unflatten(random_direction(layout, weights, 0, 0, vectors=True))
    torch.testing.assert_close(parts["4.bias"].norm(), network[4].bias.detach().norm())
    assert not parts["1.bias"].any(), "the norm of zeros is zero"
    assert parts["1.weight"].unique().numel() == 5


def test_each_layer_gets_its_norm(network, layout, weights):
    parts = layout.unflatten(random_direction(layout, weights, 0, 0, scaling="layer"))
    torch.testing.assert_close(parts["0.weight"].norm(), network[0].weight.detach().norm())
    rows = parts["0.weight"].flatten(1).norm(dim=1)
    assert not torch.allclose(rows, network[0].weight.detach().flatten(1).norm(dim=1), rtol=1e-3)


def test_each_weight_gives_the_scale_of_its_own(layout, weights):
    plain = random_direction(layout, weights, 0, 0, scaling="none")
    scaled = random_direction(layout, weights, 0, 0, scaling="weight")
    torch.testing.assert_close(scaled, plain * weights.abs())


def test_unscaled_numbers_are_standard_normal():
    layout = Layout.of({"w": torch.zeros(200, 200)})
    drawn = random_direction(layout, torch.zeros(40_000), 3, 0, scaling="none")
    assert abs(float(drawn.mean())) < 0.02
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.02)
    assert float(drawn.pow(4).mean()) == pytest.approx(3.0, abs=0.15)


def test_a_dead_filter_gives_zeros_not_nan():
    layout = Layout.of({"w": torch.zeros(2, 3)})
    weights = torch.tensor([0.0, 0, 0, 1, 2, 2])
    drawn = random_direction(layout, weights, 0, 0)
    assert not drawn[:3].any()
    assert float(drawn[3:].norm()) == pytest.approx(3.0)


def test_a_filter_of_one_number_keeps_its_magnitude():
    layout = Layout.of({"w": torch.zeros(4, 1)})
    weights = torch.tensor([1.0, -2.0, 3.0, -4.0])
    torch.testing.assert_close(random_direction(layout, weights, 0, 0).abs(), weights.abs())


def test_seed_and_index_choose_the_direction(layout, weights):
    drawn = {(s, i): random_direction(layout, weights, s, i) for s in (0, 1) for i in (0, 1)}
    again = random_direction(layout, weights, 1, 0)
    assert torch.equal(drawn[1, 0], again)
    distinct = {tuple(d.tolist()) for d in drawn.values()}
    assert len(distinct) == 4


def test_a_stream_belongs_to_a_parameter_not_to_its_place(layout, weights):
    last = Layout.of({"4.weight": torch.zeros(4, 20)})
    alone = random_direction(last, weights[layout.slices["4.weight"]], 7, 1)
    whole = random_direction(layout, weights, 7, 1)
    assert torch.equal(alone, whole[layout.slices["4.weight"]])


def test_directions_are_the_same_in_both_precisions(layout, weights):
    single = random_direction(layout, weights, 0, 0)
    double = random_direction(layout, weights.double(), 0, 0)
    assert single.dtype == torch.float32
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=1e-7)


def test_orthogonal_directions_keep_their_norms(layout, weights):
    free, straight = random_plane(layout, weights, 0), random_plane(layout, weights, 0, orthogonal=True)
    assert abs(float(torch.cosine_similarity(free[0], free[1], dim=0))) > 1e-4
    assert abs(float(torch.cosine_similarity(straight[0].double(), straight[1].double(), dim=0))) < 1e-7
    torch.testing.assert_close(straight.norm(dim=1), free.norm(dim=1))
    assert torch.allclose(straight[0], free[0])


def test_any_number_of_directions_extends_the_first(layout, weights):
    assert torch.equal(random_plane(layout, weights, 0, count=3)[:2], random_plane(layout, weights, 0))


def test_gram_schmidt_agrees_with_qr():
    vectors = torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    q, r = np.linalg.qr(vectors.numpy().T)
    expected = (q * np.sign(np.diag(r))).T
    np.testing.assert_allclose(orthogonalised(vectors, unit=True).numpy(), expected, atol=1e-14)


def test_gram_schmidt_stays_exact_for_nearly_parallel_directions():
    first = torch.ones(1000, dtype=torch.float64)
    second = first + 1e-5 * torch.arange(1000, dtype=torch.float64) / 1000
    basis = orthogonalised(torch.stack([first, second]), unit=True)
    torch.testing.assert_close(basis @ basis.T, torch.eye(2, dtype=torch.float64), atol=1e-15, rtol=0)


@pytest.mark.parametrize("second", [[2.0, 4.0, 6.0], [0.0, 0.0, 0.0], [float("nan"), 1.0, 1.0]])
def test_directions_that_span_no_plane_are_refused(second):
    with pytest.raises(ParallelDirections, match="Direction 2"):
        orthogonalised(torch.tensor([[1.0, 2.0, 3.0], second]), unit=False)


def test_the_report_tells_norms_and_angles(layout, weights):
    directions = torch.stack([weights, torch.zeros_like(weights)])
    directions[1, layout.slices["4.bias"]] = 1.0
    report = describe(layout, weights, directions)
    assert report.norms == pytest.approx([float(weights.double().norm()), 2.0])
    assert report.weights_norm == pytest.approx(report.norms[0])
    assert report.cosines[0][0] == pytest.approx(1.0)
    expected = float(weights[layout.slices["4.bias"]].double().sum()) / (2.0 * report.weights_norm)
    assert report.cosines[0][1] == pytest.approx(expected)
    assert report.tensor_norms["4.bias"][1] == pytest.approx(2.0)
    assert report.tensor_norms["0.weight"] == pytest.approx([report.weights_tensor_norms["0.weight"], 0.0])
    json.dumps(asdict(report))
