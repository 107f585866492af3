import pytest
import torch

from engine.studies.landscape.vectors import (
    Layout,
    NoExamples,
    mean_loss,
    require_examples,
    split_batches,
    wide,
    widest,
)
from tests.engine.landscape.functional import Functional, clouds, mlp


def test_flatten_and_unflatten_are_inverse():
    params = Functional(mlp(4, 3, 2)).params
    layout = Layout.of(params)
    back = layout.unflatten(layout.flatten(params))
    assert list(back) == list(params)
    assert all(torch.equal(back[name], params[name]) for name in params)
    assert layout.size == sum(p.numel() for p in params.values())


def test_unflatten_gives_views():
    layout = Layout.of({"a": torch.zeros(2, 2), "b": torch.zeros(3)})
    vector = torch.zeros(7)
    layout.unflatten(vector)["b"][1] = 5
    assert vector[5] == 5


def test_slices_and_layers_cover_the_vector():
    layout = Layout.of({"block.fc.weight": torch.zeros(2, 3), "block.fc.bias": torch.zeros(2), "scale": torch.zeros(1)})
    assert layout.slices == {"block.fc.weight": slice(0, 6), "block.fc.bias": slice(6, 8), "scale": slice(8, 9)}
    assert layout.layers() == {"block.fc": [slice(0, 6), slice(6, 8)], "scale": [slice(8, 9)]}


def test_split_batches_keeps_all_examples():
    x, y = clouds(10)
    batches = split_batches(x, y, 4)
    assert [len(part) for part, _ in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([part for part, _ in batches]), x)
    assert require_examples(batches) == 10


def test_no_examples_is_an_error():
    with pytest.raises(NoExamples):
        require_examples(split_batches(*clouds(0), 4))


def test_the_widest_type_of_each_device():
    assert widest(torch.device("cpu")) == torch.float64
    assert widest(torch.device("mps")) == torch.float32  # Apple's graphics has no double precision
    assert wide(torch.ones(2)).dtype == torch.float64


def test_mean_loss_weighs_batches_by_examples():
    net, (x, y) = Functional(mlp(5, 4, 3)), clouds(50)
    whole = float(net.loss(net.params, (x, y)))
    assert mean_loss(net.loss, net.params, split_batches(x, y, 16)) == pytest.approx(whole, rel=1e-6)
