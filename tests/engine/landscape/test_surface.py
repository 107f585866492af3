"""Loss surfaces with known answers, and what every surface must keep."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import nn
from torch.nn import functional as F

from engine.models.builtin import build
from engine.models.config import Mlp, Resnet, Transformer
from engine.studies.landscape.directions import random_plane
from engine.studies.landscape.objective import NotClasses
from engine.studies.landscape.surface import LossSurface
from engine.studies.landscape.vectors import Layout, NoExamples
from engine.studies.landscape.weights import WrongLength, read_weights, trainable
from tests.engine.landscape.functional import clouds, mlp

POINTS = np.random.default_rng(0).normal(size=(9, 2))
WAYS = ["auto", "module", "batched"]


def directions_of(network: nn.Module, count: int = 2) -> torch.Tensor:
    return random_plane(Layout.of(trainable(network)), read_weights(network), 0, vectors=True, count=count)


def states(network: nn.Module) -> list[torch.Tensor]:
    return [value.clone() for value in network.state_dict().values()]


# Known answers.


@pytest.mark.parametrize("way", WAYS)
def test_linear_regression_is_the_quadratic_it_must_be(way):
    net = nn.Linear(5, 1).double()
    rng = np.random.default_rng(1)
    x, y, d = rng.normal(size=(60, 5)), rng.normal(size=60), rng.normal(size=(2, 6))
    surface = LossSurface(
        net, torch.from_numpy(d), {"train": (torch.from_numpy(x), torch.from_numpy(y))},
        loss=lambda out, target: F.mse_loss(out[:, 0], target), way=way,
    )  # fmt: skip
    design = np.hstack([x, np.ones((60, 1))])
    w = read_weights(net).numpy() + POINTS @ d
    residual = design @ w.T - y[:, None]
    values = surface.values(POINTS)
    np.testing.assert_allclose(values.loss["train"], (residual**2).mean(axis=0), rtol=1e-12)
    assert np.isnan(values.accuracy["train"]).all()


@pytest.mark.parametrize("way", WAYS)
def test_softmax_regression_is_what_numpy_says(way):
    net = nn.Linear(4, 3).double()
    x, y = clouds(50, 4)
    d = directions_of(net).numpy()
    values = LossSurface(net, torch.from_numpy(d), {"train": (x.double(), y)}, way=way).values(POINTS)
    for i, vector in enumerate(read_weights(net).numpy() + POINTS @ d):
        scores = x.double().numpy() @ vector[:12].reshape(3, 4).T + vector[12:]
        probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        assert values.loss["train"][i] == pytest.approx(log_loss(y, probabilities, labels=range(3)), rel=1e-12)
        assert values.accuracy["train"][i] == (scores.argmax(axis=1) == y.numpy()).mean()


def test_the_surface_of_a_fitted_convex_model_has_its_minimum_in_the_centre():
    x, y = clouds(200, 4)
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=2000).fit(x.double().numpy(), y.numpy())
    net = nn.Linear(4, 3).double()
    with torch.no_grad():
        net.weight.copy_(torch.from_numpy(fitted.coef_))
        net.bias.copy_(torch.from_numpy(fitted.intercept_))
    surface = LossSurface(net, directions_of(net), {"train": (x.double(), y)})
    centre = surface.values([[0.0, 0.0]])
    assert centre.loss["train"][0] == pytest.approx(log_loss(y, fitted.predict_proba(x.double().numpy())), rel=1e-9)
    assert centre.accuracy["train"][0] == fitted.score(x.double().numpy(), y.numpy())
    around = surface.values(1e-3 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [1, 1]])).loss["train"]
    assert bool((around > centre.loss["train"][0]).all())


def test_the_loss_of_the_weights_themselves():
    class Weights(nn.Module):
        """Returns its weights for every example."""

        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.w.expand(len(x), 3)

    d = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    split = torch.zeros(4, 1, dtype=torch.float64), torch.zeros(4, 3, dtype=torch.float64)
    surface = LossSurface(Weights(), d, {"train": split}, loss=lambda out, t: (out - t).square().sum(1).mean())
    a, b = POINTS.T
    np.testing.assert_allclose(surface.values(POINTS).loss["train"], (3 + a) ** 2 + 16 + 4 * b**2, rtol=1e-12)


# What every surface must keep.


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (Mlp(widths=(6,)), (4,)),
        (Resnet(width=4, blocks=1), (1, 6, 6)),
        (Transformer(dim=8, heads=2, depth=1), (1, 8, 8)),
    ],
    ids=["mlp", "resnet", "transformer"],
)
def test_all_ways_agree_and_the_centre_is_the_model(config, shape):
    net = build(config, shape, 3, 0).train()
    x, y = torch.randn(40, *shape), torch.randint(0, 3, (40,))
    points = np.vstack([[0.0, 0.0], POINTS[:4]])
    before = states(net)
    with torch.no_grad():
        outputs = net.eval()(x)
        net.train()
    plain = LossSurface(net, directions_of(net), {"train": (x, y)}, way="module").values(points)
    assert plain.loss["train"][0] == pytest.approx(float(F.cross_entropy(outputs, y)), rel=1e-6)
    assert plain.accuracy["train"][0] == float((outputs.argmax(1) == y).double().mean())
    values = LossSurface(net, directions_of(net), {"train": (x, y)}).values(points)
    np.testing.assert_allclose(values.loss["train"], plain.loss["train"], rtol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(states(net), before, strict=True))
    assert net.training


@pytest.mark.parametrize("way", WAYS)
def test_a_point_does_not_depend_on_the_others(way):
    net = mlp(4, 6, 3, act=nn.ReLU)
    surface = LossSurface(net, directions_of(net), {"train": clouds(70, 4)}, way=way)
    together = surface.values(POINTS).loss["train"]
    alone = np.concatenate([surface.values(point).loss["train"] for point in POINTS])
    np.testing.assert_allclose(alone, together, rtol=1e-6)
    assert np.array_equal(surface.values(POINTS).loss["train"], together)


def test_blocks_cover_all_points_in_order():
    net = mlp(4, 6, 3)
    surface = LossSurface(net, directions_of(net), {"train": clouds(70, 4)})
    found = np.full(9, np.nan)
    sizes = []
    for part, values in surface.blocks(POINTS, size=4):
        found[part] = values.loss["train"]
        sizes.append(part.stop - part.start)
    assert sizes == [4, 4, 1]
    np.testing.assert_allclose(found, surface.values(POINTS).loss["train"], rtol=1e-6)


def test_splits_have_their_own_values():
    net = mlp(4, 6, 3)
    splits = {"train": clouds(70, 4), "test": clouds(30, 4, seed=1)}
    both = LossSurface(net, directions_of(net), splits).values(POINTS)
    for name, split in splits.items():
        alone = LossSurface(net, directions_of(net), {name: split}).values(POINTS)
        assert np.array_equal(both.loss[name], alone.loss[name])
        assert np.array_equal(both.accuracy[name], alone.accuracy[name])


def test_another_origin_moves_the_centre():
    net = mlp(4, 6, 3)
    d = directions_of(net)
    here = LossSurface(net, d, {"train": clouds(70, 4)})
    there = LossSurface(net, d, {"train": clouds(70, 4)}, origin=read_weights(net) + 0.5 * d[0] - d[1])
    np.testing.assert_allclose(
        there.values([[0, 0], [1, 1]]).loss["train"], here.values([[0.5, -1], [1.5, 0]]).loss["train"], rtol=1e-5
    )


def test_losses_that_overflow_stay_and_are_counted():
    net = mlp(4, 6, 3, act=nn.ReLU)
    surface = LossSurface(net, directions_of(net), {"train": clouds(70, 4)})
    values = surface.values([[0, 0], [1e30, 0], [0, np.nan]])
    assert np.isfinite(values.loss["train"]).tolist() == [True, False, False]
    assert values.nonfinite() == {"train": 2}


def test_no_graph_is_kept_and_gradients_stay():
    net = mlp(4, 6, 3)
    x, y = clouds(70, 4)
    F.cross_entropy(net(x), y).backward()
    gradient = net[0].weight.grad.clone()
    LossSurface(net, directions_of(net), {"train": (x, y)}, way="module").values(POINTS)
    assert torch.equal(net[0].weight.grad, gradient)
    assert net[0].weight.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("way", WAYS)
def test_a_stop_between_blocks_leaves_the_network_as_it_was(way):
    net = mlp(4, 6, 3)
    before, count = states(net), [0]

    class Stop(BaseException):
        pass

    def tick() -> None:
        count[0] += 1
        if count[0] > 1:
            raise Stop

    with pytest.raises(Stop):
        LossSurface(net, directions_of(net), {"train": clouds(70, 4)}, way=way, tick=tick).values(np.ones((300, 2)))
    assert all(torch.equal(a, b) for a, b in zip(states(net), before, strict=True))


# Users' networks and losses.


def test_a_users_loss_is_seen_whole():
    """A loss that is no plain mean comes out right although examples pass in blocks."""
    net = mlp(4, 600, 2, act=nn.ReLU)
    x, y = torch.randn(4000, 4), torch.randn(4000, 2)

    def loss(outputs, targets):
        return (outputs - targets).abs().max()

    values = [LossSurface(net, directions_of(net), {"t": (x, y)}, loss=loss, way=way).values(POINTS) for way in WAYS]
    with torch.no_grad():
        expected = float(loss(net(x), y))
    centre = LossSurface(net, directions_of(net), {"t": (x, y)}, loss=loss).values([[0, 0]])
    assert centre.loss["t"][0] == pytest.approx(expected, rel=1e-5)
    for other in values[1:]:
        np.testing.assert_allclose(other.loss["t"], values[0].loss["t"], rtol=1e-5)


def test_cross_entropy_given_by_name_is_the_fast_one():
    net = mlp(4, 6, 3)
    named = LossSurface(net, directions_of(net), {"train": clouds(70, 4)}, loss=F.cross_entropy)
    own = LossSurface(net, directions_of(net), {"train": clouds(70, 4)}, loss=lambda out, y: F.cross_entropy(out, y))
    assert named.loss is None
    np.testing.assert_allclose(named.values(POINTS).loss["train"], own.values(POINTS).loss["train"], rtol=1e-6)
    assert np.array_equal(named.values(POINTS).accuracy["train"], own.values(POINTS).accuracy["train"])


class Together(nn.Module):
    """Centres its scores over the batch: examples must not be parted."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.layer(x)
        return scores - scores.mean(0)


def test_examples_that_depend_on_each_other_stay_together(monkeypatch):
    net = Together()
    x, y = clouds(200, 4)
    monkeypatch.setattr("engine.studies.landscape.forward.CACHE", 100)
    surface = LossSurface(net, directions_of(net), {"train": (x, y)})
    assert surface.way == "module"
    expected = float(F.cross_entropy(net(x), y).detach())
    assert surface.values([[0, 0]]).loss["train"][0] == pytest.approx(expected, rel=1e-6)
    assert len(surface.at((0, 0), "train").losses) == 200


def test_dropout_is_off():
    net = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.9), nn.Linear(50, 3)).train()
    surface = LossSurface(net, directions_of(net), {"train": clouds(70, 4)}, way="module")
    assert np.array_equal(surface.values(POINTS).loss["train"], surface.values(POINTS).loss["train"])


# Batch normalisation.


def normalised() -> nn.Module:
    net = build(Mlp(widths=(6,), batch_norm=True), (4,), 3, 0)
    with torch.no_grad():
        net.norm1.running_mean.normal_()
        net.norm1.running_var.uniform_(0.5, 2)
    return net


def test_statistics_are_kept_unless_asked():
    net = normalised()
    x, y = clouds(70, 4)
    kept = LossSurface(net, directions_of(net), {"train": (x, y)}).values([[0, 0]])
    assert kept.loss["train"][0] == pytest.approx(float(F.cross_entropy(net.eval()(x), y).detach()), rel=1e-5)


def test_refitted_statistics_are_those_of_the_training_inputs_at_each_point():
    net = normalised()
    x, y = clouds(70, 4)
    other = clouds(30, 4, seed=5)
    before, d = states(net), directions_of(net)
    surface = LossSurface(net, d, {"train": (x, y), "test": other}, refit=x)
    assert surface.way == "module"
    values = surface.values(POINTS)
    for i, (a, b) in enumerate(POINTS.tolist()):
        w = Layout.of(trainable(net)).unflatten(read_weights(net) + a * d[0] + b * d[1])
        hidden = x @ w["hidden1.weight"].T + w["hidden1.bias"]
        mean, var = hidden.mean(0), hidden.var(0)
        for name, (inputs, targets) in {"train": (x, y), "test": other}.items():
            h = inputs @ w["hidden1.weight"].T + w["hidden1.bias"]
            h = (h - mean) / (var + 1e-5).sqrt() * w["norm1.weight"] + w["norm1.bias"]
            scores = h.relu() @ w["output.weight"].T + w["output.bias"]
            assert values.loss[name][i] == pytest.approx(float(F.cross_entropy(scores, targets)), rel=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(states(net), before, strict=True))


def test_refitting_undoes_a_rescaling_of_the_layer_before():
    """With statistics of its own point, a normalised layer does not feel the scale of its weights."""
    net = normalised()
    layout = Layout.of(trainable(net))
    scale = torch.zeros(1, layout.size)
    for name in ("hidden1.weight", "hidden1.bias"):
        scale[0, layout.slices[name]] = read_weights(net)[layout.slices[name]]
    x, y = clouds(70, 4)
    points = np.array([[0.0], [1.0], [3.0]])
    refitted = LossSurface(net, scale, {"train": (x, y)}, refit=x).values(points).loss["train"]
    kept = LossSurface(net, scale, {"train": (x, y)}).values(points).loss["train"]
    np.testing.assert_allclose(refitted, refitted[0], rtol=1e-3)
    assert np.ptp(kept) > 10 * np.ptp(refitted)


def test_refit_means_nothing_without_batch_normalisation():
    x, y = clouds(70, 4)
    net = mlp(4, 6, 3)
    assert LossSurface(net, directions_of(net), {"train": (x, y)}, refit=x).way == "chain"


# The path, and one point in detail.


def test_losses_at_snapshots_off_the_plane():
    net = mlp(4, 6, 3)
    d, x = directions_of(net), clouds(70, 4)
    surface = LossSurface(net, d, {"train": x})
    on = torch.stack([read_weights(net) + a * d[0] + b * d[1] for a, b in POINTS.tolist()])
    expected = surface.values(POINTS).loss["train"]
    np.testing.assert_allclose(surface.values_of(on).loss["train"], expected, rtol=1e-5)
    np.testing.assert_allclose(surface.values_of(on.numpy()).loss["train"], expected, rtol=1e-5)
    with pytest.raises(WrongLength, match="snapshot"):
        surface.values_of([torch.zeros(3)])


@pytest.mark.parametrize("way", WAYS)
def test_one_point_in_detail(way):
    net = mlp(4, 6, 3)
    x, y = clouds(70, 4)
    d = directions_of(net)
    surface = LossSurface(net, d, {"train": (x, y)}, way=way)
    reading = surface.at((0.4, -0.3), "train", worst=5)
    values = surface.values([[0.4, -0.3]])
    assert reading.loss == pytest.approx(values.loss["train"][0], rel=1e-6)
    assert reading.accuracy == values.accuracy["train"][0]
    assert reading.losses.mean() == pytest.approx(reading.loss, rel=1e-6)
    assert reading.worst.tolist() == np.argsort(-reading.losses, kind="stable")[:5].tolist()


def test_one_point_of_a_users_loss_in_detail():
    net = mlp(4, 6, 2)
    x, y = torch.randn(50, 4), torch.randn(50, 2)
    reading = LossSurface(net, directions_of(net), {"t": (x, y)}, loss=F.mse_loss).at((0, 0), "t")
    with torch.no_grad():
        expected = (net(x) - y).square().mean(1).double().numpy()
    np.testing.assert_allclose(reading.losses, expected, rtol=1e-5)
    assert reading.loss == pytest.approx(expected.mean(), rel=1e-5)
    assert reading.worst[0] == expected.argmax()


def test_undefined_examples_are_the_worst():
    net = nn.Linear(1, 2)
    x = torch.tensor([[0.0], [float("nan")], [1.0]])
    reading = LossSurface(net, directions_of(net), {"t": (x, torch.tensor([0, 1, 0]))}).at((0, 0), "t", worst=1)
    assert reading.worst.tolist() == [1]


# Refusals.


def test_directions_of_another_network_are_refused():
    with pytest.raises(WrongLength, match="direction has 7"):
        LossSurface(mlp(4, 6, 3), torch.ones(2, 7), {"train": clouds(70, 4)})


def test_targets_that_are_no_classes_are_refused():
    net = mlp(4, 6, 3)
    x, y = clouds(70, 4)
    with pytest.raises(NotClasses, match="0 to 4"):
        LossSurface(net, directions_of(net), {"train": (x, y), "test": (x, y * 2)})


@pytest.mark.parametrize("splits", [{}, {"train": (torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))}])
def test_no_examples_are_refused(splits):
    net = mlp(4, 6, 3)
    with pytest.raises(NoExamples):
        LossSurface(net, directions_of(net), splits)
