from itertools import chain

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.models.finite import NotFinite
from engine.studies.landscape import curve as curve_module
from engine.studies.landscape.barrier import classification_score, curve_plane, evaluate_curve, mode_connectivity
from engine.studies.landscape.batchnorm import refit_batchnorm
from engine.studies.landscape.curve import (
    Curve,
    CurveDiverged,
    CurveSettings,
    CurveTraining,
    DifferentNetworks,
    train_curve,
)
from engine.studies.landscape.vectors import Layout, NoExamples
from tests.engine.landscape.functional import Functional, clouds, fit, mlp

ENDS = {"w": torch.tensor([3.0, 0.0])}, {"w": torch.tensor([0.0, 2.0])}
DATA = torch.zeros(64, 1), torch.zeros(64)
QUICK = CurveSettings(steps=60, max_steps=120, block=20, batch_size=20, learning_rate=0.05)


def bowl(params, batch):
    """A quadratic whose minimum lies at the origin."""
    return 0.5 * params["w"].pow(2).sum()


def last(results):
    *_, final = results
    return final


@pytest.mark.parametrize("form", ["bezier", "chain"])
@pytest.mark.parametrize("bends", [0, 1, 3])
def test_coefficients_sum_to_one_and_reach_the_ends(form, bends):
    curve = Curve.between(*ENDS, form=form, bends=bends)
    for t in (0.0, 0.2, 0.5, 0.9, 1.0):
        assert sum(curve.coefficients(t)) == pytest.approx(1)
    assert torch.equal(curve.at(0), ENDS[0]["w"]) and torch.equal(curve.at(1), ENDS[1]["w"])
    assert torch.allclose(curve.at(0.3), torch.lerp(ENDS[0]["w"], ENDS[1]["w"], 0.3))  # bends start on the line


def test_bezier_and_chain_follow_their_formulas():
    bend = torch.tensor([-1.0, 5.0])
    points = torch.stack([ENDS[0]["w"], bend, ENDS[1]["w"]])
    t = 0.3
    expected = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * bend + t**2 * points[2]
    assert torch.allclose(Curve("bezier", points).at(t), expected)
    assert torch.allclose(Curve("chain", points).at(t), 2 * (t * bend + (0.5 - t) * points[0]))
    assert torch.allclose(Curve("chain", points).at(0.7), 2 * ((0.7 - 0.5) * points[2] + (1 - 0.7) * bend))


@pytest.mark.parametrize(("form", "factor"), [("bezier", -0.75), ("chain", -0.25)])
def test_best_bend_of_a_bowl_is_the_known_one(form, factor):
    """Minimising the mean of |c0 w0 + c1 b + c2 w1|^2 / 2 over t gives b = -(<c0 c1> w0 + <c1 c2> w1) / <c1 c1>."""
    settings = CurveSettings(steps=2000, batch_size=4, learning_rate=0.02, weight_decay=0.0)
    result = last(train_curve(bowl, ENDS[0], Curve.between(*ENDS, form=form), DATA, settings))
    expected = factor * (ENDS[0]["w"] + ENDS[1]["w"])
    assert torch.allclose(result.curve.points[1], expected, atol=0.04)
    assert result.converged
    assert torch.equal(result.curve.points[0], ENDS[0]["w"]) and torch.equal(result.curve.points[2], ENDS[1]["w"])


def test_weight_decay_pulls_like_the_bowl():
    settings = CurveSettings(steps=1000, batch_size=4, learning_rate=0.02, weight_decay=1.0)
    flat = last(train_curve(lambda p, b: 0.0 * p["w"].sum(), ENDS[0], Curve.between(*ENDS), DATA, settings))
    assert torch.allclose(flat.curve.points[1], -0.75 * (ENDS[0]["w"] + ENDS[1]["w"]), atol=0.05)


def test_t_is_uniform_and_every_example_is_seen_once_an_epoch():
    seen, places = [], []

    def watch(params, batch):
        if params["w"].requires_grad:
            seen.append(batch[1].tolist())
            places.append(float(params["w"][0].detach()))
        return params["w"].sum() * 0

    data = torch.zeros(50, 1), torch.arange(50.0)
    ends = {"w": torch.tensor([0.0])}, {"w": torch.tensor([1.0])}
    settings = CurveSettings(steps=500, max_steps=500, batch_size=5, weight_decay=0.0)
    last(train_curve(watch, ends[0], Curve.between(*ends), data, settings))
    assert sorted(chain.from_iterable(seen[:10])) == list(range(50)) and seen[:10] != seen[10:20]
    times = np.array(places[:500])  # the curve is the line, so its point is t
    assert np.abs(np.sort(times) - (np.arange(500) + 0.5) / 500).max() < 0.03
    assert len(set(np.floor(times[:10] * 10))) == 10


def test_curve_of_a_network_beats_the_line_and_resumes_exactly():
    data = clouds(60)
    one, other = (fit(Functional(mlp(5, 8, 3, seed=s)), data, 300).params for s in (0, 1))
    net = Functional(mlp(5, 8, 3))
    curve = Curve.between(one, other)
    results = list(train_curve(net.loss, one, curve, data, QUICK, seed=3))
    final = results[-1]
    assert final.means[-1] < final.means[0]
    assert len(final.losses) == -(-final.step // QUICK.block)
    for middle in (results[1], results[3]):
        saved = CurveTraining.restored(middle.state(), "bezier", curve.points)
        again = last(train_curve(net.loss, one, curve, data, QUICK, seed=3, resume=saved))
        assert torch.equal(again.curve.points, final.curve.points)
        assert again.losses == final.losses and again.means == final.means
    different = last(train_curve(net.loss, one, curve, data, QUICK, seed=4))
    assert not torch.equal(different.curve.points, final.curve.points)


def test_too_few_steps_are_said_to_be_too_few():
    settings = CurveSettings(steps=5, max_steps=10, batch_size=8, learning_rate=0.02, weight_decay=0)
    result = last(train_curve(bowl, ENDS[0], Curve.between(*ENDS), DATA, settings))
    assert result.converged is False and result.step >= 10
    assert result.means[-1] < result.means[-2]


def test_progress_is_measured_on_eleven_points_and_a_bounded_number_of_examples(monkeypatch):
    monkeypatch.setattr(curve_module, "MEASURED", 30)
    monkeypatch.setattr(curve_module, "EVALUATION_BATCH", 20)
    seen = []

    def watch(params, batch):
        if not params["w"].requires_grad:
            seen.append(len(batch[0]))
        return bowl(params, batch)

    settings = CurveSettings(steps=1, max_steps=1, batch_size=8)
    result = last(train_curve(watch, ENDS[0], Curve.between(*ENDS), DATA, settings))
    assert seen == [20, 10] * 22
    line = [float(bowl({"w": Curve.between(*ENDS).at(t)}, None)) for t in np.linspace(0, 1, 11)]
    assert result.means[0] == pytest.approx(np.mean(line)) and result.maxima[0] == pytest.approx(max(line))


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_learning_rate_ends_low(schedule):
    moves = []

    def watch(params, batch):
        if params["w"].requires_grad:
            moves.append(params["w"].detach().clone())
        return params["w"].sum()

    data = torch.zeros(8, 1), torch.zeros(8)
    settings = CurveSettings(
        steps=100, max_steps=100, batch_size=8, momentum=0.0, weight_decay=0.0, schedule=schedule, block=100
    )
    results = list(train_curve(watch, ENDS[0], Curve.between(*ENDS), data, settings))
    bends = [result.curve.points[1] for result in results]
    # slope 1 everywhere: each step moves the bend by rate * c1(t), of mean 1/3
    rates = 0.01 * (0.5 + 0.4 * 0.505 + 0.1 * 0.01 if schedule == "linear" else 0.5)
    moved = torch.lerp(*[end["w"] for end in ENDS], 0.5) - bends[-1]
    assert torch.allclose(moved, torch.full((2,), 100 * rates / 3), rtol=0.15)


def test_divergence_is_an_error():
    settings = CurveSettings(steps=200, batch_size=8, learning_rate=1e3)
    with pytest.raises(CurveDiverged, match="1000"):
        last(train_curve(lambda p, b: p["w"].pow(4).sum(), ENDS[0], Curve.between(*ENDS), DATA, settings))


def test_ends_must_fit_and_be_finite():
    with pytest.raises(DifferentNetworks, match="w"):
        Curve.between({"w": torch.zeros(2)}, {"w": torch.zeros(3)})
    with pytest.raises(DifferentNetworks, match="b"):
        Curve.between({"w": torch.zeros(2)}, {"w": torch.zeros(2), "b": torch.zeros(1)})
    with pytest.raises(NotFinite):
        Curve.between({"w": torch.zeros(2)}, {"w": torch.tensor([0, np.nan])})


def test_the_line_needs_no_training():
    curve = Curve.between(*ENDS, bends=0)
    values = [float(bowl({"w": curve.at(t)}, None)) for t in (0, 0.5, 1)]
    assert values == [4.5, pytest.approx(0.5 * (2.25 + 1)), 2.0]


# ------------------------------------------------------------------------------------------------------- connectivity
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 1, 9, 1, 3], (2 - 9, 0.5)),  # a barrier
        ([8, 5, 4, 5, 8], (4, 0.5)),  # the ends were not at the bottom
        ([2, 2, 2, 2, 2], (0, 0.0)),
        ([0, 5, 5, 9, 10], (5, 0.0)),  # the ends themselves may deviate most
        ([0, 0, 8, -4, 0], (-8, 0.5)),
    ],
)
def test_mode_connectivity(values, expected):
    assert mode_connectivity(np.linspace(0, 1, 5), values) == expected


def test_mode_connectivity_of_nan_is_nan():
    assert np.isnan(mode_connectivity([0, 0.5, 1], [1, np.nan, 1])).all()


def test_evaluation_counts_errors_in_percent_and_weighs_batches():
    data = clouds(50)
    net = fit(Functional(mlp(5, 8, 3)), data, 50)
    curve = Curve.between(net.params, net.params)
    score = classification_score(net.outputs)
    batches = [(data[0][:30], data[1][:30]), (data[0][30:], data[1][30:])]
    splits = {"train": batches, "test": [(data[0][:7], data[1][:7])]}
    (point,) = evaluate_curve(curve, Layout.of(net.params), score, splits, [0.4])
    answers = net.outputs(net.params, data[0]).argmax(1)
    assert point.error["train"] == pytest.approx(100 * float((answers != data[1]).double().mean()))
    assert point.loss["train"] == pytest.approx(float(net.loss(net.params, data)), rel=1e-5)
    assert point.error["test"] == pytest.approx(100 * float((answers[:7] != data[1][:7]).double().mean()))
    with pytest.raises(NoExamples):
        next(evaluate_curve(curve, Layout.of(net.params), score, {"train": []}, [0]))


class Normed(nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        return self.body(x)


def trained_with_batchnorm(seed, data):
    net = Functional(Normed(seed))
    net.module.train()
    fit(net, data, 150)
    net.module.eval()
    return net


def test_statistics_are_refitted_along_the_curve():
    data = clouds(60)
    one, other = (trained_with_batchnorm(seed, data) for seed in (0, 1))
    layout, score = Layout.of(one.params), classification_score(one.outputs)
    curve = Curve.between(one.params, other.params, bends=0)
    refit = lambda weights: refit_batchnorm(one.module, weights, data[0], 1 << 10)  # noqa: E731
    fixed = refit(one.params)
    stale = list(evaluate_curve(curve, layout, score, {"train": [data]}, [0.0, 1.0], fixed=fixed))
    fresh = list(evaluate_curve(curve, layout, score, {"train": [data]}, [0.0, 1.0], fixed=fixed, refit=refit))
    assert fresh[0].loss["train"] == pytest.approx(stale[0].loss["train"], rel=1e-5)
    assert fresh[1].loss["train"] < 0.1 < stale[1].loss["train"]


def test_training_with_batch_normalisation_uses_batches_and_changes_nothing_else():
    data = clouds(60)
    one, other = (trained_with_batchnorm(seed, data) for seed in (0, 1))
    before = {name: value.clone() for name, value in one.module.state_dict().items()}
    result = last(
        train_curve(one.loss, one.params, Curve.between(one.params, other.params), data, QUICK, module=one.module)
    )
    assert result.maxima[-1] < result.maxima[0]
    assert all(torch.equal(before[name], value) for name, value in one.module.state_dict().items())
    assert not one.module.training


def test_plane_holds_the_whole_curve():
    torch.manual_seed(0)
    points = torch.randn(3, 40)
    curve = Curve("bezier", points)
    plane = curve_plane(curve, np.linspace(0, 1, 11))
    assert torch.allclose(plane.axes @ plane.axes.T, torch.eye(2), atol=1e-6)
    back = plane.origin + torch.as_tensor(plane.corners, dtype=torch.float32) @ plane.axes
    assert torch.allclose(back, points, atol=1e-5)
    assert torch.allclose(plane.origin + torch.as_tensor(plane.path[3]).float() @ plane.axes, curve.at(0.3), atol=1e-5)
    assert plane.corners[2, 1] == pytest.approx(0, abs=1e-6) and plane.corners[2, 0] > 0


def test_plane_of_a_straight_curve_has_one_axis():
    plane = curve_plane(Curve.between(*ENDS), [0, 1])
    assert not plane.axes[1].any() and plane.axes[0].norm() == pytest.approx(1)
    assert F.cosine_similarity(plane.axes[0], ENDS[1]["w"] - ENDS[0]["w"], dim=0) == pytest.approx(1)
