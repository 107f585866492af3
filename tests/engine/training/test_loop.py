"""The training loop against torch's own optimisers, and against itself after a resume."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.training.batches import batches
from engine.training.config import Optimiser
from engine.training.loop import Loop
from engine.training.schedule import learning_rate

X = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()


def network(dropout=0.0, batch_norm=False):
    torch.manual_seed(1)
    norm = [nn.BatchNorm1d(8)] if batch_norm else []
    return nn.Sequential(nn.Linear(5, 8), *norm, nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3))


def loop(net, optimiser=None, epochs=4, **options):
    return Loop(net, F.cross_entropy, X, Y, optimiser or Optimiser(), batch_size=16, epochs=epochs, seed=3, **options)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Optimiser(momentum=0.0, weight_decay=0.0), lambda p: torch.optim.SGD(p, 0.05)),
        (Optimiser(momentum=0.9), lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, weight_decay=5e-4)),
        (Optimiser(momentum=0.0, schedule="cosine"), lambda p: torch.optim.SGD(p, 0.05, weight_decay=5e-4)),
        (
            Optimiser(method="adam", learning_rate=0.01, momentum=0.8, second_moment=0.95, weight_decay=0.1),
            lambda p: torch.optim.Adam(p, 0.01, betas=(0.8, 0.95), weight_decay=0.1),
        ),
    ],
)
def test_updates_equal_torchs(ours, theirs):
    ours_net, net = network(batch_norm=True).double(), network(batch_norm=True).double()
    trained = Loop(ours_net, F.cross_entropy, X.double(), Y, ours, batch_size=16, epochs=5, seed=3)
    records = [trained.epoch(e) for e in range(5)]

    optimiser = theirs(net.parameters())
    start = nn.utils.parameters_to_vector(net.parameters()).detach().clone()
    step, norms, away, losses = 0, [], [], []
    for epoch in range(5):
        for chosen in batches(60, 16, 3, epoch):
            optimiser.param_groups[0]["lr"] = learning_rate(ours, step, trained.total)
            before = nn.utils.parameters_to_vector(net.parameters()).detach().clone()
            optimiser.zero_grad()
            loss = F.cross_entropy(net(X.double()[chosen]), Y[chosen])
            loss.backward()
            optimiser.step()
            after = nn.utils.parameters_to_vector(net.parameters()).detach()
            norms.append(float((after - before).norm()))
            away.append(float((after - start).norm()))
            losses.append(loss.item())
            step += 1
    torch.testing.assert_close(trained.flat.vector, after, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.concatenate([r.step_norm for r in records]), norms, rtol=1e-8)
    np.testing.assert_allclose(np.concatenate([r.displacement for r in records]), away, rtol=1e-8)
    np.testing.assert_allclose(np.concatenate([r.loss for r in records]), losses, rtol=1e-9)
    for name, value in net.named_buffers():
        torch.testing.assert_close(ours_net.get_buffer(name), value)


def test_layers_add_up_to_the_whole():
    record = loop(network()).epoch(0)
    assert record.layers == ("0", "3") and record.layer_step_norm.shape == (4, 2)
    np.testing.assert_allclose((record.layer_step_norm**2).sum(axis=1), record.step_norm**2)
    np.testing.assert_allclose((record.layer_displacement**2).sum(axis=1), record.displacement**2)
    assert record.displacement[0] == record.step_norm[0]


@pytest.mark.parametrize("method", ["sgd", "adam"])
@pytest.mark.parametrize("at", [1, 3])
def test_a_resumed_training_is_the_same_to_the_last_bit(method, at):
    optimiser = Optimiser(method=method, learning_rate=0.02)
    whole = loop(network(0.5, True), optimiser, snapshots=8)
    records = [whole.epoch(e) for e in range(4)]

    first = loop(network(0.5, True), optimiser, snapshots=8)
    for e in range(at):
        first.epoch(e)
    state = first.state()
    first.epoch(at)  # work that is lost must not reach into the state
    torch.manual_seed(99)
    second = loop(network(0.5, True), optimiser, snapshots=8)
    second.restore(state)
    resumed = [second.epoch(e) for e in range(at, 4)]

    assert torch.equal(whole.flat.vector, second.flat.vector)
    for a, b in zip(records[at:], resumed, strict=True):
        for name, column in a.columns().items():
            np.testing.assert_array_equal(column, b.columns()[name])
    for name, value in whole.module.named_buffers():
        assert torch.equal(value, second.module.get_buffer(name))
    for a, b in zip(whole.snapshots.stacked(), second.snapshots.stacked(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dropout_differs_from_epoch_to_epoch():
    net = network(0.5)
    one = loop(net, Optimiser(learning_rate=1e-12, weight_decay=0.0))
    a, b = one.epoch(0).loss.mean(), one.epoch(1).loss.mean()
    assert a != b


def test_snapshots_are_the_weights_at_their_steps():
    net = network()
    trained = loop(net, epochs=2, snapshots=50)
    seen = {0: trained.flat.vector.clone()}
    for e in range(2):
        trained.epoch(e, lambda step: seen.setdefault(step, trained.flat.vector.clone()))
    steps, weights = trained.snapshots.stacked()
    assert steps.tolist() == list(range(9))
    for step, row in zip(steps[:-1], weights[:-1], strict=True):
        np.testing.assert_array_equal(row, seen[int(step)])
    np.testing.assert_array_equal(weights[-1], trained.flat.vector)


def test_a_divergence_gives_back_the_network_of_the_epochs_start():
    net = network(batch_norm=True)
    trained = loop(net, Optimiser(learning_rate=100.0, schedule="constant"))
    trained.epoch(0)
    trained.loss = lambda o, y: F.cross_entropy(o * math.inf, y) if trained.step == 6 else F.cross_entropy(o, y)
    before = [value.clone() for value in (trained.flat.vector, *net.buffers())]
    record = trained.epoch(1)
    assert record.diverged == 6 and len(record.loss) == 2
    assert all(torch.equal(a, b) for a, b in zip(before, (trained.flat.vector, *net.buffers()), strict=True))
    assert np.isfinite(record.step_norm).all()


def test_a_tick_may_end_the_epoch():
    class Enough(Exception):
        pass

    def tick(step):
        if step == 2:
            raise Enough

    trained = loop(network())
    with pytest.raises(Enough):
        trained.epoch(0, tick)
    assert trained.step == 2


def test_training_on_part_of_the_network_leaves_the_rest():
    net = network()
    net[0].requires_grad_(False)
    before = net[0].weight.clone()
    trained = loop(net)
    trained.epoch(0)
    assert torch.equal(net[0].weight, before) and trained.flat.layers == ("3",)


def test_recording_costs_less_than_a_third_of_a_small_networks_step(monkeypatch):
    """The share is measured on the processor's clock, with and without what is recorded, in turns."""
    import time

    from engine.training.flat import FlatParameters
    from engine.training.record import EpochRecord

    x, y = torch.randn(1438, 64), torch.randint(0, 10, (1438,))
    nothing = np.zeros(2)

    def seconds():
        net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        trained = Loop(net, F.cross_entropy, x, y, Optimiser(), batch_size=64, epochs=9, seed=0, snapshots=100)
        trained.epoch(0)
        start = time.process_time()
        for e in range(1, 4):
            trained.epoch(e)
        return time.process_time() - start

    ratios = []
    for _ in range(5):
        recorded = seconds()
        with monkeypatch.context() as patch:
            patch.setattr(FlatParameters, "squared_change", lambda self, old: nothing)
            patch.setattr(EpochRecord, "add", lambda self, i, *rest: setattr(self, "count", 0))
            patch.setattr(EpochRecord, "diverged_at", lambda self, i: False)
            ratios.append(recorded / seconds())
    assert min(ratios) < 1.3  # on a busy machine single ratios jump
