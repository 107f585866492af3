import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from engine import seeding
from engine.studies.landscape.permutations import Axis, Group, Label, Segment, Symmetry, Units
from engine.studies.landscape.tracing import NotPermutable, find_symmetry
from tests.engine.landscape.functional import Functional


class Net(nn.Module):
    """Layers and the function that runs them."""

    def __init__(self, run, **layers):
        super().__init__()
        torch.manual_seed(0)
        self.run = run
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x):
        return self.run(self, x)


def groups(module, x):
    """Sizes of the groups that are found, after trying three more random permutations of them."""
    net = Functional(module.eval())
    symmetry = find_symmetry(net.outputs, net.params, x, fixed=net.buffers)
    everything = {**net.params, **net.buffers}
    with torch.no_grad():
        before = net.outputs(everything, x)
        for seed in range(3):
            moved = symmetry.apply(everything, symmetry.random(seeding.generator(seed)))
            assert torch.allclose(net.outputs(moved, x), before, atol=1e-5)
    return sorted(group.size for group in symmetry.groups)


FLAT, PICTURE, SERIES, TOKENS = (torch.randn(4, *shape) for shape in ((6,), (2, 8, 8), (2, 12), (5, 6)))
ends = {"one": nn.Linear(6, 4), "two": nn.Linear(4, 3)}
maps = {"one": nn.Conv2d(2, 4, 3), "two": nn.Linear(4, 3)}

ELEMENTWISE = {
    "relu": torch.relu, "gelu": F.gelu, "silu": F.silu, "elu": F.elu, "leaky": F.leaky_relu, "softplus": F.softplus,
    "hardswish": F.hardswish, "mish": F.mish, "square": lambda x: x**2, "negative": lambda x: -x, "abs": torch.abs,
    "scaled": lambda x: 3 * x + 1, "in place": lambda x: F.relu(x, inplace=True), "softmax": lambda x: x.softmax(1),
    "residual": lambda x: x + torch.tanh(x), "gate": lambda x: x * torch.sigmoid(x), "clone": lambda x: x.clone(),
    "normed": lambda x: (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-3),
    "layer norm": lambda x: F.layer_norm(x, (4,)), "more axes": lambda x: x.unsqueeze(2).squeeze(2),
    "view": lambda x: x.view(len(x), 2, 1, 2).reshape(len(x), 4), "double transpose": lambda x: x.t().t(),
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_what_acts_on_each_unit_alike_passes_units_on(name):
    between = ELEMENTWISE[name]
    module = Net(lambda self, x: self.two(between(self.one(x))), **ends)
    if name in ("view", "normed"):  # an axis that is cut, and a deviation that is not known: pinned, not wrong
        with pytest.raises(NotPermutable, match="no hidden units"):
            groups(module, FLAT)
    else:
        assert groups(module, FLAT) == [4]


POSITIONS = {
    "max pool": lambda x: F.max_pool2d(x, 2).flatten(1),
    "average pool": lambda x: F.avg_pool2d(x, 3).flatten(1),
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, 2).flatten(1),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, 2).flatten(1),
    "mean": lambda x: x.mean((2, 3)),
    "mean at the end": lambda x: x.flatten(2).mean(-1),
    "sum": lambda x: x.sum(3).sum(2),
    "strided": lambda x: x[:, :, ::3, 1:4].reshape(len(x), -1),
    "padded": lambda x: F.pad(x, (1, 2, 0, 1)).flatten(1),
    "wider": lambda x: F.pad(x, (0, 0, 0, 0, 1, 3)).flatten(1),
    "permuted": lambda x: x.permute(2, 0, 1, 3)[0].flatten(1),
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).mean((1, 2)),
}


@pytest.mark.parametrize("name", POSITIONS)
def test_channels_keep_their_units_through_operations_on_positions(name):
    between = POSITIONS[name]
    with torch.no_grad():
        width = between(nn.Conv2d(2, 4, 3)(PICTURE)).shape[1]
    module = Net(lambda self, x: self.two(between(self.one(x))), one=nn.Conv2d(2, 4, 3), two=nn.Linear(width, 3))
    dead = [36, 108] if name == "wider" else []  # weights that only ever meet padding are free, too
    assert groups(module, PICTURE) == [4, *dead]


def test_series():
    module = Net(
        lambda self, x: self.two(F.max_pool1d(torch.relu(self.one(x)), 2).flatten(1)),
        one=nn.Conv1d(2, 4, 3),
        two=nn.Linear(20, 3),
    )
    assert groups(module, SERIES) == [4]


def test_tokens_share_the_units_of_their_features():
    module = Net(lambda self, x: self.two(torch.relu(self.one(x))).mean(1), **ends)
    assert groups(module, TOKENS) == [4]


def test_sums_tie_both_sides():
    module = Net(lambda self, x: self.two(torch.relu(self.one(x) + self.other(x))), other=nn.Linear(6, 4), **ends)
    assert groups(module, FLAT) == [4]


def test_a_sum_with_the_input_pins():
    module = Net(lambda self, x: self.two(x + self.one(x)), one=nn.Linear(6, 6), two=nn.Linear(6, 3))
    with pytest.raises(NotPermutable):
        groups(module, FLAT)


def test_learned_positions_and_scales_move_along():
    module = Net(lambda self, x: self.two(self.one(x) * self.scale + self.place).mean(1), **ends)
    module.scale = nn.Parameter(torch.rand(4))
    module.place = nn.Parameter(torch.randn(5, 4))
    assert groups(module, TOKENS) == [4]


def test_group_norm_with_real_groups_and_transposed_convolutions_pin():
    for middle in (nn.GroupNorm(2, 4), nn.ConvTranspose2d(4, 4, 2)):
        module = Net(lambda self, x: self.two(self.middle(self.one(x)).mean((2, 3))), middle=middle, **maps)
        with pytest.raises(NotPermutable):
            groups(module, PICTURE)


def test_group_norm_of_one_or_all_channels_passes():
    for count in (1, 4):
        module = Net(
            lambda self, x: self.two(self.middle(self.one(x)).mean((2, 3))), middle=nn.GroupNorm(count, 4), **maps
        )
        nn.init.normal_(module.middle.weight)
        assert groups(module, PICTURE) == [4]


def test_grouped_convolutions_pin_and_depthwise_ones_pass():
    for count, expected in ((2, None), (4, [4])):
        middle = nn.Conv2d(4, 4, 3, groups=count)
        module = Net(lambda self, x: self.two(self.middle(self.one(x)).mean((2, 3))), middle=middle, **maps)
        if expected is None:
            with pytest.raises(NotPermutable):
                groups(module, PICTURE)
        else:
            assert groups(module, PICTURE) == expected


def test_shared_layers_tie_their_input_to_their_output():
    def run(self, x):
        x = torch.tanh(self.one(x))
        for _ in range(3):
            x = torch.tanh(self.again(x))
        return self.two(x)

    assert groups(Net(run, again=nn.Linear(4, 4), **ends), FLAT) == [4]


def test_a_hand_written_cell_is_one_group():
    def run(self, x):
        state = torch.zeros(len(x), 4)
        for step in range(5):
            state = torch.tanh(self.one(x[:, step]) + self.again(state))
        return self.two(state)

    assert groups(Net(run, again=nn.Linear(4, 4, bias=False), **ends), TOKENS) == [4]


def test_concatenated_parts_keep_their_own_units():
    def run(self, x):
        return self.two(torch.cat([torch.relu(self.one(x)), x, torch.tanh(self.other(x))], 1))

    module = Net(run, one=nn.Linear(6, 4), other=nn.Linear(6, 5), two=nn.Linear(15, 3))
    assert groups(module, FLAT) == [4, 5]


def test_unused_layers_do_not_count():
    module = Net(lambda self, x: self.two(torch.relu(self.one(x))), idle=nn.Linear(9, 9), **ends)
    assert groups(module, FLAT) == [4]


def test_only_the_hidden_layer_between_attentions_is_free():
    layer = nn.TransformerEncoderLayer(6, 2, 7, dropout=0.0, batch_first=True)
    module = Net(lambda self, x: self.head(self.layer(x).mean(1)), layer=layer, head=nn.Linear(6, 3))
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        assert 7 in groups(module, TOKENS)
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


# --------------------------------------------------------------------------------------------------------- permutations
@given(st.lists(st.integers(2, 5), min_size=1, max_size=3), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_permuting_and_permuting_back_is_the_identity(sizes, seed):
    stream = np.random.default_rng(seed)
    tensors = {
        f"w{i}": torch.from_numpy(stream.standard_normal((sizes[i], 2 * sizes[(i + 1) % len(sizes)])))
        for i in range(len(sizes))
    }
    found = [
        Group(size, (Axis(f"w{i}", 0, 0, 1), Axis(f"w{(i - 1) % len(sizes)}", 1, 0, 2))) for i, size in enumerate(sizes)
    ]
    symmetry = Symmetry(tuple(found))
    orders = symmetry.random(stream)
    moved = symmetry.apply(tensors, orders)
    back = symmetry.apply(moved, [np.argsort(order) for order in orders])
    for name, tensor in tensors.items():
        assert torch.equal(back[name], tensor)
        assert sorted(moved[name].flatten().tolist()) == sorted(tensor.flatten().tolist())
    assert all(torch.equal(t, tensors[n]) for n, t in symmetry.apply(tensors, symmetry.identity()).items())


def lengths(label):
    return [part.length for part in label.resolved()]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.lists(st.integers(1, 4), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_tied_axes_have_one_structure(first, second):
    """Whatever the cuts of both sides, afterwards they name the same units in the same places."""
    short = min(sum(first), sum(second))
    one, other = (Label([Segment(Units(size)) for size in clipped(sizes, short)]) for sizes in (first, second))
    one.tie(other)
    assert [(p.units, p.repeat) for p in one.resolved()] == [(p.units, p.repeat) for p in other.resolved()]
    assert sum(lengths(one)) == short
    assert not any(part.units.pinned for part in one.resolved())


def clipped(sizes, total):
    result = []
    for size in sizes:
        if total > 0:
            result.append(min(size, total))
            total -= size
    return result


def test_repeated_units_tie_to_their_entries():
    channels, flat = Label.fresh(3), Label.fresh(12)
    channels.repeated(4).tie(flat)
    (part,) = flat.resolved()
    assert part.units is channels.resolved()[0].units and part.repeat == 4


def test_blanks_leave_what_lies_opposite_free():
    padded = Label([Segment(None, 1, 2), Segment(Units(3)), Segment(None, 1, 1)])
    wide = Label.fresh(6)
    padded.tie(wide)
    assert lengths(wide) == [2, 3, 1]
    assert wide.resolved()[1].units is padded.resolved()[1].units
    assert not any(part.units.pinned for part in wide.resolved())


def test_blanks_meet_blanks():
    one, other = (Label([Segment(None, 1, size), Segment(Units(4 - size))]) for size in (1, 2))
    one.tie(other)
    assert lengths(one) == [1, 1, 2] and lengths(other) == [2, 2]
    assert one.resolved()[2].units is other.resolved()[1].units


def test_pins_spread_over_ties_and_splits():
    one, other = Label.fresh(4), Label.fresh(4)
    one.tie(other)
    other.pin()
    assert one.resolved()[0].units.pinned
    pinned, parts = Label.fresh(4), Label([Segment(Units(1)), Segment(Units(3))])
    pinned.pin()
    pinned.tie(parts)
    assert all(part.units.pinned for part in parts.resolved())
