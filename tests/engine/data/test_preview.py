"""Previews and the data() of users' model files."""

import numpy as np
import pytest
import torch

from engine.data import preview as module
from engine.data.config import BuiltinData, FileData, ModelFileData
from engine.data.errors import BadOwnData, MissingFile, NoData
from engine.data.load import load, read
from engine.data.preview import preview


def test_preview_of_a_builtin():
    facts = preview(BuiltinData())
    assert facts["rows"] == 1797 and facts["shape"] == [1, 8, 8] and facts["target"] == "class"
    assert sum(count for _, count in facts["classes"]) == 1797
    assert facts["examples"].shape == (16, 1, 8, 8) and facts["targets"].shape == (16,)
    assert (facts["low"], facts["high"]) == (0.0, 16.0)


def test_preview_of_a_large_table_reads_its_beginning(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i}.5,{'yes' if i % 3 else 'no'}\n" for i in range(5000)))
    whole = preview(FileData(path=str(path)))
    assert whole["rows"] == whole["read"] == 5000 and whole["classes"] == [["no", 1667], ["yes", 3333]]
    monkeypatch.setattr(module, "LARGE", 1000)
    part = preview(FileData(path=str(path)))
    assert part["rows"] is None and 50 < part["read"] < 200 and part["features"] == ["a"]


def test_preview_of_images_takes_a_few_of_each_class(tmp_path):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(15):
            Image.new("L", (4, 4), i).save(tmp_path / name / f"{i:02}.png")
    facts = preview(FileData(path=str(tmp_path), image_size=4))
    assert facts["classes"] == [["a", 12], ["b", 12]] and facts["rows"] is None


def test_preview_of_numbers_and_faults(tmp_path):
    facts = preview(BuiltinData(name="diabetes"))
    assert facts["target"] == "number" and facts["classes"] == [] and facts["features"][2] == "bmi"
    with pytest.raises(MissingFile):
        preview(FileData(path=str(tmp_path / "nothing.csv")))


# ------------------------------------------------------------------------------------------------------ data() of users
def own(value):
    return read(ModelFileData(), lambda: value)


X, Y = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    "value",
    [
        (X, Y),
        [X.numpy(), Y.numpy()],
        {"x": X.tolist(), "y": Y.tolist()},
        {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y},
    ],
)
def test_forms_of_own_data(value):
    raw = own(value)
    np.testing.assert_array_equal(raw.x, X.numpy())
    assert raw.x.dtype == np.float32 and raw.y.tolist() == Y.tolist() and raw.classes == ("0", "1", "2")
    assert (raw.test is not None) == (isinstance(value, dict) and "x_test" in value)


def test_tokens_stay_whole_and_are_not_standardised():
    tokens = torch.randint(0, 50, (40, 7), generator=torch.Generator().manual_seed(0))
    data = load(ModelFileData(), lambda: (tokens, tokens.roll(-1, 1)))
    assert data.x_train.dtype == np.int64 and data.y_train.shape == (32, 7) and data.classes == ()
    assert set(data.x_train.ravel().tolist()) <= set(range(50))


def test_own_numbers_and_gradients():
    raw = own((X.clone().requires_grad_(), torch.linspace(0, 1, 6)))
    assert raw.classes == () and raw.y.dtype == np.float32


def test_classes_of_the_test_part_count():
    assert own((X, Y, X, Y + 2)).classes == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "returned NoneType"),
        ((X,), "returned 1 values"),
        ({"a": X}, "a dict with a"),
        (([[1.0], [1.0, 2.0]], Y), "a ragged list"),
        ((["a", "b"], Y), "2 values instead of numbers"),
        ((X, Y - 1), "negative classes"),
        ((3.0, Y), "float instead of numbers"),
    ],
)
def test_bad_own_data(value, words):
    with pytest.raises(BadOwnData, match=words):
        own(value)


def test_no_own_data():
    with pytest.raises(NoData, match=r"no function data\(\)"):
        load(ModelFileData())
