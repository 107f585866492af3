"""The model artifact: written, read, described, loaded; its losses as pure functions."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from engine.data.config import BuiltinData, FileData, ModelFileData
from engine.data.errors import DataChanged
from engine.data.load import load as load_data
from engine.models.builtin import build
from engine.models.config import Cnn, Mlp, Resnet, StudyModel, Transformer, UserModel
from engine.models.consent import grant, revoke
from engine.models.create import as_array, check_fit, choose_loss, create, mean_squared_error, open_source
from engine.models.errors import (
    BadForward,
    BadLoss,
    BadModelFolder,
    BadOutputs,
    ConsentMissing,
    NoDataset,
    NotATensor,
    SourceChanged,
    WeightsMismatch,
    WrongDerivatives,
)
from engine.models.freeze import freeze, survey
from engine.models.kinds import ModelArtifact, ModelKind
from engine.models.load import load
from engine.models.order import require_order
from tests.engine.models.conftest import GOOD

IRIS = BuiltinData(name="iris")


def artifact(model, data=IRIS, seed=0, **changes):
    """An untrained model artifact as training would publish it."""
    ready = load_data(data)
    net = build(model, ready.shape, len(ready.classes) or 1, seed)
    parts = {
        "weights": {name: value.numpy() for name, value in net.state_dict().items()},
        "model": model,
        "data": data,
        "identity": ready.identity.to_json(),
        "loss": "cross_entropy" if ready.classes else "mse",
        "input_shape": ready.shape,
        "outputs": len(ready.classes) or 1,
        "classes": ready.classes,
        "seed": seed,
        "summary": {"train_loss": 1.0, "test_accuracy": 50.0},
    }
    return ModelArtifact(**(parts | changes))


def through_disk(value, folder):
    folder.mkdir()
    ModelKind().write(value, folder)
    return ModelKind().read(folder)


def test_what_is_written_is_read(tmp_path):
    value = artifact(Resnet(width=2, blocks=1), weights={"a": np.float64(3.5) * np.ones((2, 2)), "n": np.array(7)})
    again = through_disk(value, tmp_path / "m")
    assert again.weights["a"].dtype == np.float64 and again.weights["n"].shape == () and again.weights["n"] == 7
    for name in ("model", "data", "identity", "loss", "input_shape", "outputs", "classes", "seed", "summary", "source"):
        assert getattr(again, name) == getattr(value, name), name
    facts = ModelKind().describe(again)
    assert facts == {
        "network": "resnet",
        "loss": "cross_entropy",
        "data": "iris",
        "numbers": 5,
        "train_loss": 1.0,
        "test_accuracy": 50.0,
    }


def test_settings_of_newer_versions_are_left_out(tmp_path):
    through_disk(artifact(Mlp()), tmp_path / "m")
    facts = json.loads((tmp_path / "m" / "model.json").read_text())
    facts["model"]["dropout"] = 0.5
    facts["data"]["augment"] = True
    facts["colour"] = "red"
    (tmp_path / "m" / "model.json").write_text(json.dumps(facts))
    assert ModelKind().read(tmp_path / "m").model == Mlp()


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.json", b"{"),
        ("model.json", b'{"model": {"builder": "mlp"}}'),
        ("model.json", b'{"model": {"builder": "unheard of"}}'),
        ("weights.safetensors", b"short"),
        ("weights.safetensors", None),
    ],
)
def test_damaged_folders(tmp_path, file, content):
    through_disk(artifact(Mlp()), tmp_path / "m")
    (tmp_path / "m" / file).unlink()
    if content is not None:
        (tmp_path / "m" / file).write_bytes(content)
    with pytest.raises(BadModelFolder, match=r"cannot be read"):
        ModelKind().read(tmp_path / "m")


def test_reading_needs_no_torch(tmp_path):
    through_disk(artifact(Mlp()), tmp_path / "m")
    code = f"""
import pathlib, sys
from engine.models.kinds import ModelKind
model = ModelKind().read(pathlib.Path({str(tmp_path / "m")!r}))
print(len(model.weights), [name for name in ("torch", "scipy", "polars", "sklearn") if name in sys.modules])
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "4 []"


@pytest.mark.parametrize(
    "model", [Mlp(batch_norm=True), Cnn(channels=(3,)), Resnet(width=2, blocks=1), Transformer(dim=4, heads=2)]
)
def test_loaded_losses_equal_the_networks_own(tmp_path, model):
    value = artifact(model)
    loaded = load(through_disk(value, tmp_path / "m"))
    net = build(model, (4,), 3, 0).eval()
    x, y = loaded.batch("test")
    torch.testing.assert_close(loaded.outputs(loaded.params, x), net(x))
    torch.testing.assert_close(loaded.loss(loaded.params, (x, y)), F.cross_entropy(net(x), y))
    torch.testing.assert_close(loaded.loss_from_outputs(net(x), y), F.cross_entropy(net(x), y))
    assert set(loaded.params) | set(loaded.buffers) == set(net.state_dict())
    assert not loaded.module.training and loaded.dtype == torch.float32


def test_losses_are_functions_of_the_parameters_given(tmp_path):
    loaded = load(through_disk(artifact(Mlp(widths=(5,))), tmp_path / "m"))
    batch = loaded.batch()
    at_zero = loaded.loss({name: torch.zeros_like(p) for name, p in loaded.params.items()}, batch)
    assert float(at_zero) == pytest.approx(np.log(3))
    assert all(torch.equal(p, loaded.module.get_parameter(name)) for name, p in loaded.params.items())


def test_buffers_may_be_given_and_are_updated_in_training_mode(tmp_path):
    loaded = load(through_disk(artifact(Mlp(widths=(5,), batch_norm=True)), tmp_path / "m"))
    buffers = {name: b.clone() for name, b in loaded.buffers.items()}
    loaded.module.train()
    loaded.outputs(loaded.params, loaded.batch()[0], buffers)
    assert int(buffers["norm1.num_batches_tracked"]) == 1 and int(loaded.buffers["norm1.num_batches_tracked"]) == 0


def test_frozen_parameters_are_no_parameters():
    value = artifact(Mlp(widths=(5,)))
    net = create(value.model, (4,), 3, 0, None)
    net.hidden1.requires_grad_(False)
    from engine.models.load import LoadedModel

    loaded = LoadedModel(value, net, F.cross_entropy, "cpu", None)
    assert set(loaded.params) == {"output.weight", "output.bias"} and "hidden1.weight" in loaded.buffers
    assert torch.isfinite(loaded.loss(loaded.params, loaded.batch()))


def test_batches_are_prefixes_and_the_dataset_is_read_once(tmp_path):
    loaded = load(through_disk(artifact(Mlp()), tmp_path / "m"))
    assert loaded.dataset() is loaded.dataset()
    x, y = loaded.batch(limit=7)
    np.testing.assert_array_equal(x, loaded.dataset().x_train[:7])
    np.testing.assert_array_equal(y, loaded.dataset().y_train[:7])
    assert len(loaded.batch("test")[0]) == 30


def test_a_number_to_predict_has_the_mean_squared_error(tmp_path):
    loaded = load(through_disk(artifact(Mlp(), BuiltinData(name="diabetes")), tmp_path / "m"))
    x, y = loaded.batch()
    out = loaded.outputs(loaded.params, x)
    assert out.shape == (354, 1)
    by_hand = ((out[:, 0] - y) ** 2).mean()
    torch.testing.assert_close(loaded.loss(loaded.params, (x, y)), by_hand)
    torch.testing.assert_close(mean_squared_error(out, y), by_hand)


def test_changed_and_missing_data_are_said(tmp_path):
    rows = "\n".join(f"{i},{i % 5},{i % 2}" for i in range(40))
    (tmp_path / "t.csv").write_text("a,b,c\n" + rows)
    value = artifact(Mlp(), FileData(path=str(tmp_path / "t.csv")))
    assert len(load(value).dataset().x_train) == 32
    (tmp_path / "t.csv").write_text("a,b,c\n9" + rows)
    with pytest.raises(DataChanged, match=r"t\.csv had the hash"):
        load(value).dataset()
    with pytest.raises(NoDataset, match=r"does not say which data"):
        load(dataclasses.replace(value, data=None)).dataset()


def test_weights_that_do_not_fit_are_said():
    with pytest.raises(WeightsMismatch, match=r"the model artifact do not fit"):
        load(artifact(Mlp(), weights={"a": np.ones(1)}))


def test_torchs_fused_attention_is_off_after_loading():
    torch.backends.mha.set_fastpath_enabled(True)
    load(artifact(Mlp()))
    assert not torch.backends.mha.get_fastpath_enabled()


# ------------------------------------------------------------------------------------------------------ users' networks
def test_a_users_network_with_its_own_data_and_loss(write, tmp_path):
    path = write(
        {
            "model.py": """
                import torch
                from helper import Net

                def build():
                    return Net()

                def data():
                    x = torch.arange(40.0)[:, None]
                    return x, (x[:, 0] > 20).long()

                def loss(outputs, targets):
                    return ((outputs[:, 0] - targets) ** 2).mean()
            """,
            "helper.py": """
                import torch
                class Net(torch.nn.Module):
                    def __init__(self):
                        super().__init__()
                        self.line = torch.nn.Linear(1, 1)
                    def forward(self, x):
                        import late
                        return self.line(x) * late.factor
            """,
            "late.py": "factor = 3",
        }
    )
    config = UserModel(path=str(path))
    with pytest.raises(ConsentMissing):
        open_source(config, tmp_path / "run" / "source")
    grant(survey(path).sha256, str(path))
    user = open_source(config, tmp_path / "run" / "source")
    net = create(config, (1,), 2, 5, user)
    name, loss = choose_loss(2, user)
    data = load_data(ModelFileData(), lambda: user.data(0))
    check_fit(net, loss, name, data, "cpu")
    value = ModelArtifact(
        {n: v.numpy() for n, v in net.state_dict().items()}, config, ModelFileData(), data.identity.to_json(), name,
        data.shape, 2, data.classes, source=user.source.folder,
    )  # fmt: skip
    value = through_disk(value, tmp_path / "m")
    path.unlink()
    (path.parent / "late.py").write_text("factor = 99")  # only the copy counts

    loaded = load(value)
    x, y = loaded.batch()
    by_hand = ((3 * (x @ net.line.weight.T + net.line.bias)[:, 0] - y) ** 2).mean()
    torch.testing.assert_close(loaded.loss(loaded.params, (x, y)), by_hand)
    assert loaded.loss_name == "user" and ModelKind().describe(value)["network"] == "model.py"

    revoke(user.source.sha256)
    with pytest.raises(ConsentMissing):
        load(value)
    with pytest.raises(BadModelFolder, match=r"copy of its code is missing"):
        load(dataclasses.replace(value, source=None))


def test_a_resumed_run_takes_its_copy_and_a_new_one_checks_the_hash(write, tmp_path):
    path = write(GOOD)
    source = survey(path)
    grant(source.sha256, str(path))
    config = UserModel(path=str(path), sha256=source.sha256)
    open_source(config, tmp_path / "source")
    path.write_text(GOOD + "\nchanged = 1\n")
    assert not hasattr(open_source(config, tmp_path / "source").main, "changed")
    with pytest.raises(SourceChanged, match=r"has changed since it was confirmed"):
        open_source(config, tmp_path / "other")
    assert open_source(Mlp(), tmp_path / "none") is None and not (tmp_path / "none").exists()


def test_weights_of_a_file_are_the_start(tmp_path):
    net = build(Mlp(widths=(5,)), (4,), 3, seed=9)
    torch.save(net.state_dict(), tmp_path / "w.pt")
    config = Mlp(widths=(5,), weights=str(tmp_path / "w.pt"))
    made = create(config, (4,), 3, 0, None)
    assert torch.equal(made.hidden1.weight, net.hidden1.weight)
    value = artifact(config, seed=9)
    (tmp_path / "w.pt").unlink()
    torch.testing.assert_close(load(value).params["hidden1.weight"], net.hidden1.weight.detach())


def test_networks_of_studies(monkeypatch):
    import types

    module = types.ModuleType("engine.studies.fake.network")
    module.make = lambda settings, shape, outputs: torch.nn.Linear(shape[0], settings["factor"] * outputs)
    monkeypatch.setitem(sys.modules, "engine.studies.fake.network", module)
    config = StudyModel(factory="engine.studies.fake.network:make", settings={"factor": 2})
    one, two = create(config, (4,), 3, 1, None), create(config, (4,), 3, 1, None)
    assert one.weight.shape == (6, 4) and torch.equal(one.weight, two.weight)
    with pytest.raises(ValueError, match=r"factory"):
        StudyModel(factory="os:system")


@pytest.mark.parametrize(
    ("forward", "error", "words"),
    [
        (lambda self, x: self.line(x[:, :2]), BadForward, r"does not take these data.*shape \(4,\).*torch says: mat1"),
        (lambda self, x: [self.line(x)], NotATensor, r"returned list, not a tensor"),
        (lambda self, x: self.line(x)[:, :2], BadOutputs, r"shape \(2, 2\), and the data have 3 classes"),
        (lambda self, x: self.line(x).sum(1), BadOutputs, r"shape \(2,\)"),
        (lambda self, x: self.line(x).detach(), BadLoss, r"does not depend on the outputs"),
    ],
)
def test_networks_that_do_not_fit_the_data(forward, error, words):
    net = type("Net", (torch.nn.Module,), {"forward": forward})()
    net.line = torch.nn.Linear(4, 3)
    with pytest.raises(error, match=words):
        check_fit(net, F.cross_entropy, "cross_entropy", load_data(IRIS), "cpu")
    assert net.training


def test_more_outputs_than_classes_are_allowed_and_one_number_needs_one_output():
    check_fit(torch.nn.Linear(4, 7), F.cross_entropy, "cross_entropy", load_data(IRIS), "cpu")
    numbers = load_data(BuiltinData(name="diabetes"))
    check_fit(torch.nn.Linear(10, 1), mean_squared_error, "mse", numbers, "cpu")
    with pytest.raises(BadOutputs, match=r"one number to predict"):
        check_fit(torch.nn.Linear(10, 2), mean_squared_error, "mse", numbers, "cpu")


@pytest.mark.parametrize("returned", ["3.0", "(outputs - outputs)", "outputs.sum().item()"])
def test_a_loss_of_the_user_must_be_one_tensor(user, returned):
    file = user(GOOD + f"\ndef loss(outputs, targets):\n    return {returned}\n")
    name, loss = choose_loss(10, file)
    assert name == "user"
    with pytest.raises(BadLoss, match=r"loss\(\) of the model file returned (float|Tensor)"):
        loss(torch.ones(2, 10), torch.zeros(2))


def test_double_precision_networks_get_double_precision_data(write, tmp_path):
    path = write("import torch\ndef build(): return torch.nn.Linear(4, 3).double()")
    grant(survey(path).sha256, str(path))
    user = open_source(UserModel(path=str(path)), tmp_path / "source")
    net = create(UserModel(path=str(path)), (4,), 3, 0, user)
    check_fit(net, F.cross_entropy, "cross_entropy", load_data(IRIS), "cpu")
    weights = {name: value.numpy() for name, value in net.state_dict().items()}
    config = UserModel(path=str(path))
    loaded = load(dataclasses.replace(artifact(Mlp()), model=config, weights=weights, source=user.source.folder))
    assert loaded.dtype == torch.float64 and loaded.batch()[0].dtype == torch.float64
    assert functional_call(loaded.module, loaded.params, (loaded.batch()[0],)).dtype == torch.float64


# ---------------------------------------------------------------------------------------------- unusual users' networks
def remade(write, tmp_path, text, shape=(4,)):
    """Build a user's network, keep it as an artifact on disk, load it again: (the network, the loaded model)."""
    path = write(text)
    grant(survey(path).sha256, str(path))
    config = UserModel(path=str(path))
    user = open_source(config, tmp_path / "source")
    net = create(config, shape, 3, 0, user)
    weights = {name: as_array(value) for name, value in net.state_dict().items()}
    value = dataclasses.replace(artifact(Mlp()), model=config, weights=weights, source=user.source.folder, seed=99)
    return net.eval(), load(through_disk(value, tmp_path / "m"))


UNUSUAL = {
    "shared weights": """
        import torch
        def build():
            net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 3))
            net[1].weight = net[0].weight
            return net
    """,
    "buffers that are not saved": """
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0, 4.0]), persistent=False)
                self.line = torch.nn.Linear(4, 3)
            def forward(self, x):
                return self.line(x * self.scale)
        def build():
            return Net()
    """,
    "dropout": """
        import torch
        def build():
            return torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 3), torch.nn.Dropout(0.5))
    """,
    "lazy layers": """
        import torch
        def build():
            lazy = torch.nn.LazyLinear(6), torch.nn.LazyBatchNorm1d(), torch.nn.LazyLinear(3)
            return torch.nn.Sequential(lazy[0], lazy[1], torch.nn.Tanh(), lazy[2])
    """,
    "weight normalisation": """
        import torch
        def build():
            return torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3))
    """,
    "recurrent": """
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.rnn = torch.nn.GRU(1, 5, batch_first=True)
                self.line = torch.nn.Linear(5, 3)
            def forward(self, x):
                return self.line(self.rnn(x[:, :, None])[0][:, -1])
        def build():
            return Net()
    """,
    "half precision": """
        import torch
        def build():
            return torch.nn.Linear(4, 3).bfloat16()
    """,
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_networks_survive_the_artifact(write, tmp_path, kind):
    net, loaded = remade(write, tmp_path, UNUSUAL[kind])
    batch = loaded.batch("test")
    torch.testing.assert_close(loaded.outputs(loaded.params, batch[0]), net(batch[0]))
    assert float(loaded.loss(loaded.params, batch)) == float(loaded.loss(loaded.params, batch))
    grads = torch.func.grad(lambda params: loaded.loss(params, batch))(loaded.params)
    assert set(grads) == {name for name, _ in net.named_parameters()}
    assert all(float(g.detach().abs().sum()) > 0 for name, g in grads.items() if "bias" not in name)


@pytest.mark.parametrize("kind", ["shared weights", "lazy layers", "recurrent", "dropout"])
def test_unusual_networks_have_right_second_derivatives(write, tmp_path, kind):
    require_order(remade(write, tmp_path, UNUSUAL[kind])[1])


def test_torchs_fused_weight_normalisation_is_refused(write, tmp_path):
    """torch 2.13's second derivatives of it are wrong (its own gradgradcheck says so); written out they are right."""
    with pytest.raises(WrongDerivatives, match=r"torch's weight_norm has one"):
        require_order(remade(write, tmp_path, UNUSUAL["weight normalisation"])[1])
    written_out = """
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.v, self.g = torch.nn.Parameter(torch.randn(3, 4)), torch.nn.Parameter(torch.ones(3, 1))
            def forward(self, x):
                return x @ (self.g * self.v / self.v.norm(dim=1, keepdim=True)).T
        def build():
            return Net()
    """
    (tmp_path / "second").mkdir()
    require_order(remade(write, tmp_path / "second", written_out)[1])


def test_lazy_layers_follow_the_seed_and_must_fit(write, tmp_path):
    path = write(UNUSUAL["lazy layers"])
    grant(survey(path).sha256, str(path))
    config = UserModel(path=str(path))
    user = open_source(config, tmp_path / "source")
    one, two, other = (create(config, (4,), 3, seed, user).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one) and not torch.equal(
        one["0.weight"], other["0.weight"]
    )
    path.write_text(
        "import torch\ndef build(): return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LazyLinear(3))"
    )
    grant(survey(path).sha256, str(path))
    user = open_source(config, tmp_path / "other")
    with pytest.raises(BadForward, match=r"does not take these data.*shape \(4,\)"):
        create(config, (4,), 3, 0, user)


def test_a_model_file_behind_links_is_copied_as_files(tmp_path, write):
    path = write({"model.py": "import helper\n" + GOOD, "helper.py": "value = 1"}, "real")
    (tmp_path / "shared.py").write_text("value = 2")
    (path.parent / "helper.py").unlink()
    (path.parent / "helper.py").symlink_to(tmp_path / "shared.py")
    (tmp_path / "link").symlink_to(path.parent)
    source = freeze(tmp_path / "link" / "model.py", tmp_path / "copy")
    assert source.files == ("helper.py", "model.py")
    assert (
        not (tmp_path / "copy" / "helper.py").is_symlink()
        and (tmp_path / "copy" / "helper.py").read_text() == "value = 2"
    )


def test_descriptions_of_models_of_all_kinds(tmp_path):
    plain = dataclasses.replace(artifact(Mlp()), identity=None, summary={})
    assert ModelKind().describe(plain) == {"network": "mlp", "loss": "cross_entropy", "numbers": 4 * 64 + 64 + 192 + 3}
    own = dataclasses.replace(plain, model=UserModel(path="/home/me/net.py"), loss="user")
    assert ModelKind().describe(own)["network"] == "net.py"
    assert ModelKind().describe(dataclasses.replace(plain, data=None))["numbers"] == 515
    assert through_disk(dataclasses.replace(plain, data=None), tmp_path / "m").data is None


def test_bfloat16_weights_become_float32_without_loss():
    value = torch.randn(50, generator=torch.Generator().manual_seed(0)).bfloat16()
    array = as_array(value)
    assert array.dtype == np.float32 and torch.equal(torch.from_numpy(array).bfloat16(), value)
    source = torch.ones(3)
    as_array(source)[0] = 9
    assert source[0] == 1
