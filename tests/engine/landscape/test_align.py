import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine import seeding
from engine.models.builtin import build
from engine.models.config import Cnn, Mlp, Resnet, Transformer
from engine.studies.landscape.align import align, weight_distance
from engine.studies.landscape.permutations import Axis, Group, Label, Segment, Symmetry, Units
from engine.studies.landscape.tracing import NotPermutable, find_symmetry
from engine.studies.landscape.vectors import mean_loss
from tests.engine.landscape.functional import Functional, clouds, fit, mlp


class Projected(nn.Module):
    """Residual block with a projection on its shortcut."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.GroupNorm(1, 8), nn.ReLU(), nn.Conv2d(8, 10, 1))
        self.short = nn.Conv2d(6, 10, 1)
        self.head = nn.Linear(10, 3)

    def forward(self, x):
        x = F.relu(self.first(x))
        return self.head(F.adaptive_avg_pool2d(self.body(x) + self.short(x), 1).flatten(1))


class Dense(nn.Module):
    """Concatenates what it has seen."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.head = nn.Linear(8, 6), nn.Linear(14, 5), nn.Linear(19, 3)

    def forward(self, x):
        x = torch.cat([x, torch.relu(self.one(x))], 1)
        return self.head(torch.cat([x, torch.relu(self.two(x))], 1))


class Depthwise(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 6, 3),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, groups=6),
            nn.SiLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 3),
        )

    def forward(self, x):
        return self.layers(x)


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.value, self.gate, self.head = nn.Linear(8, 6), nn.Linear(8, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.value(x) * torch.sigmoid(self.gate(x)))


NETWORKS = {
    "mlp": (lambda: build(Mlp(widths=(16, 12)), (8,), 3, 0), (8,), [16, 12]),
    "mlp with batch normalisation": (lambda: build(Mlp(widths=(9, 7), batch_norm=True), (8,), 3, 0), (8,), [9, 7]),
    "cnn": (lambda: build(Cnn(), (1, 8, 8), 3, 0), (1, 8, 8), [6, 16, 64]),
    "cnn with batch normalisation": (
        lambda: build(Cnn(batch_norm=True, channels=(4, 5)), (1, 8, 8), 3, 0),
        (1, 8, 8),
        [4, 5, 64],
    ),
    "cnn on series": (lambda: build(Cnn(channels=(4, 5)), (40,), 3, 0), (40,), [4, 5, 64]),
    # zero-padded shortcuts tie the first channels of a wider stage to those before
    "resnet": (lambda: build(Resnet(width=4, blocks=1), (3, 8, 8), 3, 0), (3, 8, 8), [4, 4, 4, 8, 8, 16]),
    "projected shortcut": (Projected, (1, 8, 8), [6, 8, 10]),
    "transformer": (lambda: build(Transformer(dim=16, depth=2), (1, 8, 8), 3, 0), (1, 8, 8), [16, 64, 64]),
    "concatenation": (Dense, (8,), [5, 6]),
    "depthwise": (Depthwise, (1, 8, 8), [6]),
    "gate": (Gated, (8,), [6]),
}


def lively(module):
    """Normalisation layers with statistics and weights that differ from unit to unit."""
    torch.manual_seed(0)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d | nn.LayerNorm | nn.GroupNorm):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias)
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return Functional(module.eval())


@pytest.mark.parametrize("name", NETWORKS)
def test_permuting_units_leaves_the_function_alone_and_alignment_undoes_it(name):
    make, shape, sizes = NETWORKS[name]
    torch.manual_seed(0)
    net, x = lively(make()), torch.randn(6, *shape)
    symmetry = find_symmetry(net.outputs, net.params, x, fixed=net.buffers)
    assert sorted(group.size for group in symmetry.groups) == sorted(sizes)

    everything = {**net.params, **net.buffers}
    moved = symmetry.apply(everything, symmetry.random(seeding.generator(1)))
    assert torch.allclose(net.outputs(moved, x), net.outputs(everything, x), atol=1e-5)
    params, buffers = ({key: moved[key] for key in part} for part in (net.params, net.buffers))
    assert weight_distance(net.params, params) > 1

    found = align(net.outputs, net.params, params, x, fixed=buffers)
    assert found.distance_after == 0 < found.distance_before
    assert all(torch.equal(found.params[key], net.params[key]) for key in net.params)
    assert all(torch.equal(found.fixed[key], net.buffers[key]) for key in net.buffers)


def test_aligned_networks_keep_their_function_and_lower_the_barrier():
    data = clouds(90)
    one, other = (fit(Functional(mlp(5, 32, 3, act=nn.ReLU, seed=s)), data, 300) for s in (0, 1))
    found = align(one.outputs, one.params, other.params, data[0])
    assert torch.allclose(one.outputs(found.params, data[0]), one.outputs(other.params, data[0]), atol=1e-5)
    assert found.distance_after < found.distance_before
    middle = [
        mean_loss(one.loss, {k: (one.params[k] + end[k]) / 2 for k in end}, [data])
        for end in (other.params, found.params)
    ]
    assert middle[1] < middle[0]


def test_alignment_of_a_network_with_itself_is_the_identity():
    net = Functional(mlp(5, 8, 3))
    found = align(net.outputs, net.params, net.params, clouds()[0])
    assert [order.tolist() for order in found.permutations] == [list(range(8))]
    assert found.sweeps == 1


def test_a_wider_search_is_never_worse_and_is_seeded():
    one, other = (Functional(mlp(5, 8, 8, 8, 3, seed=s)) for s in (0, 1))
    x = clouds()[0]
    few, many = (align(one.outputs, one.params, other.params, x, tries=n).distance_after for n in (1, 6))
    assert many <= few
    again = align(one.outputs, one.params, other.params, x, tries=6)
    assert again.distance_after == many


def test_a_linear_model_has_nothing_to_permute():
    net = Functional(nn.Linear(5, 3))
    with pytest.raises(NotPermutable, match="no hidden units"):
        align(net.outputs, net.params, net.params, clouds()[0])


class Ordered(nn.Module):
    """Uses its hidden units by position in ways the trace does not know."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(5, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.two(torch.cumsum(self.one(x), 1))


def test_unknown_operations_pin_what_they_touch():
    torch.manual_seed(0)
    net = Functional(Ordered())
    with pytest.raises(NotPermutable, match="no hidden units"):
        find_symmetry(net.outputs, net.params, clouds()[0])


def test_a_symmetry_that_fails_its_proof_is_refused():
    """Numpy hides from the trace what happens to the hidden units."""
    torch.manual_seed(0)
    net = Functional(mlp(5, 4, 3))

    def outputs(params, x):
        result = net.outputs(params, x)
        return result + torch.from_numpy(np.arange(4.0) @ params["0.bias"].numpy() * np.ones(3)).float()

    with pytest.raises(NotPermutable, match="outputs change"):
        find_symmetry(outputs, net.params, clouds()[0])


def test_units_that_flatten_move_as_blocks():
    symmetry = Symmetry((Group(2, (Axis("w", 1, 1, 3),)),))
    moved = symmetry.apply({"w": torch.arange(8.0)[None]}, [np.array([1, 0])])
    assert moved["w"][0].tolist() == [0, 4, 5, 6, 1, 2, 3, 7]


def test_labels_split_where_axes_of_different_structure_meet():
    narrow, wide = Units(2), Label.fresh(5)
    Label([Segment(narrow), Segment(None, 1, 3)]).tie(wide)
    parts = wide.resolved()
    assert [part.length for part in parts] == [2, 3] and parts[0].units is narrow


def test_labels_that_do_not_fit_pin_each_other():
    three, two = Label([Segment(Units(2), 3)]), Label([Segment(Units(3), 2)])
    three.tie(two)
    assert all(part.units.pinned for part in (*three.resolved(), *two.resolved()))
    free, plain = Label.fresh(4), Label()
    free.tie(plain)
    assert free.resolved()[0].units.pinned
