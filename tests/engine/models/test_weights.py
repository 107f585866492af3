"""Files of weights: what is read, what is refused, what does not fit."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from engine.models.errors import MissingWeights, UnreadableWeights, UnsafeWeights, WeightsMismatch
from engine.models.weights import fit_weights, read_weights


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: weights,
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model": weights},
        lambda weights: {f"module.{name}": value for name, value in weights.items()},
    ],
)
def test_torch_files(tmp_path, net, wrap):
    torch.save(wrap(net.state_dict()), tmp_path / "w.pt")
    read = read_weights(tmp_path / "w.pt")
    assert list(read) == list(net.state_dict())
    assert all(torch.equal(read[name], value) for name, value in net.state_dict().items())


def test_safetensors_and_fit(tmp_path, net):
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    other = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    fit_weights(other, read_weights(tmp_path / "w.safetensors"), "w")
    assert all(torch.equal(other.state_dict()[name], value) for name, value in net.state_dict().items())


class Trap:
    """Unpickling this calls ``open``."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    torch.save({"weights": torch.ones(2), "trap": Trap(tmp_path / "ran")}, tmp_path / "w.pt")
    with pytest.raises(UnsafeWeights, match=r"is refused. Reading it would execute code: .*open"):
        read_weights(tmp_path / "w.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap(tmp_path / "ran"), 2))
    with pytest.raises((UnsafeWeights, UnreadableWeights)):
        read_weights(tmp_path / "plain.pt")
    assert not (tmp_path / "ran").exists()


def test_a_whole_pickled_network_is_refused(tmp_path, net):
    torch.save(net, tmp_path / "w.pt")
    with pytest.raises(UnsafeWeights, match=r"torch\.save\(model\.state_dict\(\), file\)"):
        read_weights(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage" * 30])
def test_damaged_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((UnreadableWeights, UnsafeWeights)):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_files_cut_off(tmp_path, net, name):
    (torch.save if name.endswith("pt") else lambda w, p: save_file(w, p))(net.state_dict(), tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableWeights, match=r"cannot be read as weights"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("value", [[1, 2], {}, {"epoch": 3}, torch.ones(3)])
def test_files_without_named_tensors(tmp_path, value):
    torch.save(value, tmp_path / "w.pt")
    with pytest.raises(UnreadableWeights, match=r"not named tensors"):
        read_weights(tmp_path / "w.pt")


def test_missing_file(tmp_path):
    with pytest.raises(MissingWeights, match=r"no file of weights"):
        read_weights(tmp_path / "w.pt")


def test_what_does_not_fit_is_named_and_nothing_is_changed(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    weights = {**before, "0.weight": torch.ones(4, 5), "extra": torch.ones(1)}
    del weights["2.bias"]
    with pytest.raises(WeightsMismatch) as caught:
        fit_weights(net, weights, "w.pt")
    for words in ("Missing: 2.bias", "Not expected: extra", "0.weight (4, 5) instead of (4, 3)"):
        assert words in str(caught.value)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())


def test_long_lists_are_cut(net):
    with pytest.raises(WeightsMismatch, match=r"and 5 more"):
        fit_weights(net, {}, "w.pt")
