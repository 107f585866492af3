"""Schedules, batches, the flat vector, records, evaluation: each against a second computation."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, log_loss
from torch import nn
from torch.nn import functional as F

from engine.training.batches import batches, epochs_for, steps_per_epoch
from engine.training.config import Optimiser
from engine.training.evaluate import evaluate, wilson_interval
from engine.training.flat import FlatParameters, MixedTypes, NothingToTrain, layers_of, recorded_on_host
from engine.training.record import EpochRecord, Snapshots, TrajectoryRecord, snapshot_steps
from engine.training.schedule import learning_rate


# ------------------------------------------------------------------------------------------------------------- schedule
def test_schedules():
    def rates(schedule, total=8):
        o = Optimiser(schedule=schedule, learning_rate=0.8)
        return [learning_rate(o, step, total) for step in range(total)]

    assert rates("constant") == [0.8] * 8
    assert rates("step") == [0.8] * 6 + [pytest.approx(0.08)] * 2
    assert rates("cosine") == pytest.approx([0.4 * (1 + math.cos(math.pi * t / 8)) for t in range(8)])


def test_the_cosine_is_that_of_torch():
    net = nn.Linear(1, 1)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=10)
    for step in range(10):
        ours = learning_rate(Optimiser(schedule="cosine", learning_rate=0.3), step, 10)
        assert ours == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()


# -------------------------------------------------------------------------------------------------------------- batches
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 220), st.integers(0, 3), st.booleans())
def test_batches_part_the_examples(count, size, epoch, replacement):
    plan = batches(count, size, 5, epoch, replacement)
    assert len(plan) == steps_per_epoch(count, size)
    again = batches(count, size, 5, epoch, replacement)
    assert all(np.array_equal(a, b) for a, b in zip(plan, again, strict=True))
    joined = np.concatenate(plan)
    assert joined.min() >= 0 and joined.max() < count
    if not replacement:
        assert sorted(joined.tolist()) == list(range(count))
        assert all(len(b) == size for b in plan[:-1])
    if size > 1 and count > 1:
        assert all(len(b) > 1 for b in plan)


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = [np.concatenate(batches(50, 7, seed, epoch)).tolist() for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_draws_with_replacement_are_uniform():
    drawn = np.concatenate([np.concatenate(batches(20, 10, 0, e, True)) for e in range(500)])
    counts = np.bincount(drawn, minlength=20)
    assert len(drawn) == 10_000 and counts.max() < 600 and counts.min() > 400
    assert len(np.unique(batches(20, 20, 0, 0, True)[0])) < 20


def test_a_floor_of_updates_adds_epochs():
    assert epochs_for(10, 100, 10, 0) == 10
    assert epochs_for(10, 100, 10, 101) == 11
    assert epochs_for(10, 100, 50, 1000) == 500
    assert epochs_for(0, 100, 50, 1000) == 0


# ----------------------------------------------------------------------------------------------------------------- flat
def two_layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_parameters_and_gradients_are_views():
    net = two_layers()
    before = [p.detach().clone() for p in net.parameters()]
    flat = FlatParameters(net)
    assert torch.equal(flat.vector, torch.cat([p.reshape(-1) for p in before]))
    assert flat.layers == ("0", "1", "2") and flat.lengths == (16, 8, 10)
    net(torch.randn(5, 3)).sum().backward()
    assert torch.equal(flat.gradient, torch.cat([p.grad.reshape(-1) for p in net.parameters()]))
    flat.vector.zero_()
    assert all(float(p.detach().abs().sum()) == 0 for p in net.parameters())


def test_frozen_and_shared_parameters():
    net = two_layers()
    net[0].requires_grad_(False)
    assert FlatParameters(net).lengths == (8, 10)
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    assert FlatParameters(tied).lengths == (12, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_changes_by_layer_in_float64(dtype):
    net = two_layers().to(dtype)
    flat = FlatParameters(net)
    old = flat.vector.clone()
    flat.vector += (0.1 * torch.randn(len(old), generator=torch.Generator().manual_seed(1))).to(dtype)
    change = (flat.vector.double() - old.double()).numpy()
    by_hand = [np.sum(change[a:b] ** 2) for a, b in ((0, 16), (16, 24), (24, 34))]
    squares = flat.squared_change(old)
    assert squares.dtype == np.float64
    np.testing.assert_allclose(squares, by_hand, rtol=1e-13)


def test_the_way_of_accelerators_gives_the_same():
    flat = FlatParameters(two_layers())
    old = flat.vector + torch.randn(34, generator=torch.Generator().manual_seed(2))
    on_host = flat.squared_change(old)
    flat._host = None
    elsewhere = flat.squared_change(old)
    assert isinstance(elsewhere, torch.Tensor)
    np.testing.assert_allclose(elsewhere.numpy(), on_host, rtol=1e-13)


def test_tiny_steps_survive_in_float64():
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(1.0)
    flat = FlatParameters(net)
    old = flat.vector.clone()
    flat.vector.mul_(1 + 2**-23)
    assert float(flat.squared_change(old)[0]) == 2.0**-46  # in float32 the square of the norm would keep 24 bits only


def test_networks_that_cannot_be_trained():
    with pytest.raises(NothingToTrain, match=r"no trainable parameters"):
        FlatParameters(nn.ReLU())
    mixed = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(MixedTypes, match=r"torch\.float32, torch\.float64"):
        FlatParameters(mixed)


def test_layers_join_the_parameters_of_a_module():
    sizes = {"scale": 1, "a.weight": 4, "a.bias": 2, "a.inner.weight": 3, "b.weight": 5}
    assert layers_of(sizes) == (("scale", "a", "a.inner", "b"), (1, 6, 3, 5))


# --------------------------------------------------------------------------------------------------------------- record
def test_records_take_roots_and_end_before_the_first_bad_step():
    record = EpochRecord(10, 5, ("a", "b"), torch.device("cpu"))
    for i in range(4):
        squares = np.array([9.0, 16.0])
        record.add(i, torch.tensor(float("nan") if i == 3 else float(i)), 0.1, squares, 4 * squares)
        assert record.diverged_at(i) == (i == 3)
    record.close()
    assert record.diverged == 13
    assert record.loss.tolist() == [0, 1, 2] and record.step_norm.tolist() == [5] * 3
    assert record.displacement.tolist() == [10] * 3 and record.layer_step_norm.tolist() == [[3, 4]] * 3
    assert record.learning_rate.tolist() == [0.1] * 3


def test_records_of_devices_without_float64_are_kept_by_numpy():
    assert recorded_on_host(torch.device("cpu")) and recorded_on_host(torch.device("mps"))
    assert not recorded_on_host(torch.device("cuda"))
    record = EpochRecord(0, 1, ("a",), torch.device("mps"))
    record.add(0, torch.tensor(2.0), 0.1, np.array([1.0]), np.array([4.0]))
    assert record.close().loss.tolist() == [2.0]


def test_an_infinite_step_is_a_divergence_too():
    record = EpochRecord(0, 2, ("a",), torch.device("cpu"))
    record.add(0, torch.tensor(1.0), 0.1, np.array([np.inf]), np.array([1.0]))
    assert record.diverged_at(0) and record.close().diverged == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.integers(0, 5000))
def test_snapshot_steps_are_sorted_few_and_complete(count, total):
    steps = snapshot_steps(count, total)
    assert len(steps) <= count + 1 and steps[0] == 0 and steps[-1] == total
    assert (np.diff(steps) > 0).all()
    if count >= 20 and total >= 100:
        assert steps[1] == 1 and np.diff(steps).max() <= total / (count - count // 2 - 1) + 1


def test_snapshots_keep_what_was_planned_once():
    snapshots = Snapshots(4, 6, 3)
    vector = torch.zeros(3)
    for step in range(7):
        vector += 1
        snapshots.offer(step, vector)
        snapshots.offer(step, vector)
    steps, weights = snapshots.stacked()
    assert set(steps.tolist()) == snapshots.plan and weights.dtype == np.float32
    np.testing.assert_array_equal(weights[:, 0], steps + 1)
    later = Snapshots(4, 6, 3)
    later.restore(snapshots.state())
    assert later.steps == snapshots.steps and np.array_equal(later.stacked()[1], weights)


def test_snapshots_of_large_networks_are_fewer(monkeypatch):
    monkeypatch.setattr("engine.training.record.SNAPSHOT_BYTES", 4 * 100 * 10)
    assert len(Snapshots(200, 1000, 100).plan) <= 11
    assert Snapshots(0, 1000, 100).plan == set() and Snapshots(0, 9, 9).stacked()[1].shape == (0, 0)


def test_trajectories_join_epochs_and_survive_a_checkpoint():
    trajectory = TrajectoryRecord(("a",))
    assert trajectory.columns()["layer_step_norm"].shape == (0, 1)
    for first in (0, 2):
        record = EpochRecord(first, 2, ("a",), torch.device("cpu"))
        for i in range(2):
            record.add(i, torch.tensor(first + i), 0.1, np.array([1.0]), np.array([4.0]))
        trajectory.add(record.close())
    later = TrajectoryRecord(("a",))
    later.restore(trajectory.columns())
    value = later.trajectory(Snapshots(0, 4, 1))
    assert value["records"]["loss"].tolist() == [0, 1, 2, 3] and value["layers"] == ["a"]
    assert "learning_rate" not in value["records"]


# ------------------------------------------------------------------------------------------------------------- evaluate
def test_evaluation_equals_scikit_learns(monkeypatch):
    monkeypatch.setattr("engine.training.evaluate.CHUNK", 7)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.9), nn.Linear(8, 3))
    x, y = torch.randn(40, 4), torch.randint(0, 3, (40,))
    ticks = []
    loss, right = evaluate(net, F.cross_entropy, x, y, 3, lambda: ticks.append(1))
    assert net.training and len(ticks) == 6
    probabilities = torch.softmax(net.eval()(x), dim=1).detach().numpy()
    assert loss == pytest.approx(log_loss(y.numpy(), probabilities), rel=1e-5)
    assert right / 40 == accuracy_score(y.numpy(), probabilities.argmax(axis=1))
    assert evaluate(net, lambda o, t: o.mean(), x, y, 0)[1] is None and not net.training


@pytest.mark.parametrize(("right", "trials"), [(0, 10), (10, 10), (7, 10), (350, 359), (1, 10_000)])
def test_wilson_equals_scipys(right, trials):
    interval = binomtest(right, trials).proportion_ci(method="wilson")
    assert wilson_interval(right, trials) == pytest.approx((interval.low, interval.high), abs=1e-12)
