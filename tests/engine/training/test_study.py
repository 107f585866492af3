"""The task training.train on a run in memory: what it publishes and measures, how it resumes, what it warns of."""

import json
import math

import numpy as np
import pytest
import torch

from engine.artifacts.shared_kinds import TrajectoryKind
from engine.data.config import BuiltinData, ModelFileData
from engine.models.config import Cnn, Mlp, Resnet, Transformer, UserModel
from engine.models.consent import grant
from engine.models.errors import ConsentMissing, UserCodeFailed, WeightsMismatch
from engine.models.freeze import survey
from engine.models.load import load
from engine.runs.run import Stopped
from engine.studies import catalogue
from engine.studies.contract import PRESETS
from engine.studies.training.config import TrainConfig
from engine.studies.training.cost import estimate, network_size
from engine.studies.training.study import TASKS, Train, due, finite
from engine.training.config import Optimiser
from tests.engine.fakes import FakeRun

IRIS = BuiltinData(name="iris")
SMALL = TrainConfig(model=Mlp(widths=(6,)), data=IRIS, epochs=6, batch_size=16, versions=2, snapshots=10)


def train(config, folder, **options):
    run = FakeRun(folder, config.seed, **options)
    Train().run(config, run)
    return run


def changed(config=SMALL, **values):
    return config.model_copy(update=values)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return train(SMALL, tmp_path_factory.mktemp("small"))


def test_the_task_is_found_with_its_presets():
    assert catalogue.config_class("training.train") is TrainConfig and TASKS[0].Config is TrainConfig
    assert set(TrainConfig.presets()) == set(PRESETS)
    for preset in TrainConfig.presets().values():
        assert TrainConfig.model_validate_json(preset.model_dump_json()) == preset


def test_everything_measured_is_registered(small):
    assert set(small.scalars) | set(small.series) <= set(catalogue.measures())


def test_versions_of_model_and_trajectory(small):
    for name in ("model", "trajectory"):
        assert [complete for _, complete in small.published[name]] == [False, False, False, True]
    assert [m.summary["updates"] for m, _ in small.published["model"]] == [0, 16, 32, 48]
    lengths = [len(t["records"]["loss"]) for t, _ in small.published["trajectory"]]
    assert lengths == [0, 16, 32, 48]


def test_the_trajectory_is_of_its_kind_and_begins_and_ends_at_the_models(small, tmp_path):
    trajectory = small.last("trajectory")
    TrajectoryKind().write(trajectory, tmp_path)
    read = TrajectoryKind().read(tmp_path)
    assert read["layers"] == ["hidden1", "output"] and read["records"]["layer_step_norm"].shape == (48, 2)
    first, last = small.published["model"][0][0], small.last("model")
    for model, row in ((first, 0), (last, -1)):
        flat = np.concatenate([model.weights[name].ravel() for name in load(model).params])
        np.testing.assert_array_equal(read["snapshots"]["weights"][row], flat)
    assert read["snapshots"]["steps"][0] == 0 and read["snapshots"]["steps"][-1] == 48
    distance = np.linalg.norm(np.diff(read["snapshots"]["weights"][[0, -1]].astype(np.float64), axis=0))
    assert read["records"]["displacement"][-1] == pytest.approx(distance, rel=1e-9)


def test_series_have_one_point_a_step_and_one_an_evaluation(small):
    assert [step for step, _ in small.series["step_norm"]] == list(range(1, 49))
    assert [step for step, _ in small.series["test_loss"]] == [0, 8, 16, 24, 32, 40, 48]
    assert [rate for _, rate in small.series["learning_rate"]] == [0.05] * 36 + [pytest.approx(0.005)] * 12
    np.testing.assert_array_equal(
        [v for _, v in small.series["displacement"]], small.last("trajectory")["records"]["displacement"]
    )


def test_final_measures_equal_those_of_the_loaded_model(small):
    loaded = load(small.last("model"))
    for split in ("train", "test"):
        x, y = loaded.batch(split)
        outputs = loaded.outputs(loaded.params, x)
        assert small.scalars[f"{split}_loss"][0] == pytest.approx(float(loaded.loss_from_outputs(outputs, y)), rel=1e-6)
        right = 100 * float((outputs.argmax(1) == y).double().mean())
        assert small.scalars[f"{split}_accuracy"][0] == pytest.approx(right)
    values = {name: value for name, (value, _, _) in small.scalars.items()}
    assert values["generalisation_gap"] == values["test_loss"] - values["train_loss"]
    assert values["accuracy_gap"] == values["train_accuracy"] - values["test_accuracy"]
    assert values["parameters"] == 4 * 6 + 6 + 6 * 3 + 3 and values["updates"] == 48
    value, (low, high), n = small.scalars["test_accuracy"]
    assert low < value <= high and n == 30 and values["train_accuracy"] > 90
    assert small.progressed[-1][:2] == (48, 48) and small.warnings == []


def test_equal_seeds_give_equal_bits_and_others_do_not(small, tmp_path):
    again, other = train(SMALL, tmp_path), train(changed(seed=1), tmp_path)
    assert again.series == small.series and other.series["step_norm"] != small.series["step_norm"]
    for name, weights in small.last("model").weights.items():
        np.testing.assert_array_equal(again.last("model").weights[name], weights)


RESUMED = [
    changed(model=Mlp(widths=(6,), batch_norm=True)),
    changed(optimiser=Optimiser(method="adam", learning_rate=0.01), replacement=True),
    changed(model=Transformer(dim=4, heads=2, depth=1), epochs=3),
]


@pytest.mark.parametrize("config", RESUMED, ids=["sgd", "adam", "transformer"])
@pytest.mark.parametrize("checkpoint_every", [0.0, 1e9])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(config, checkpoint_every, tmp_path, monkeypatch):
    for name in ("POINT_SECONDS", "STEPS_SECONDS"):
        monkeypatch.setattr(f"engine.studies.training.study.{name}", 0.0)
    monkeypatch.setattr("engine.studies.training.study.CHECKPOINT_SECONDS", checkpoint_every)
    monkeypatch.setattr("engine.studies.training.study.SAVING", 0 if checkpoint_every == 0 else 19)
    whole = train(config, tmp_path)
    run = FakeRun(tmp_path, config.seed, stop_after=7)
    stops = 0
    while True:
        try:
            Train().run(config, run)
            break
        except Stopped:
            stops += 1
            run = run.resumed(stop_after=None if checkpoint_every else 13)
    assert stops > (0 if checkpoint_every else 1)
    for name in whole.series:
        assert run.series[name] == whole.series[name], name
    for name, weights in whole.last("model").weights.items():
        np.testing.assert_array_equal(run.last("model").weights[name], weights)
    ours, theirs = run.last("trajectory"), whole.last("trajectory")
    np.testing.assert_array_equal(ours["snapshots"]["weights"], theirs["snapshots"]["weights"])
    for name, column in theirs["records"].items():
        np.testing.assert_array_equal(ours["records"][name], column)
    finals = {name: value for name, value in whole.scalars.items() if name != "parameters"}
    assert {name: run.scalars[name] for name in finals} == finals


def test_a_divergence_ends_the_training_with_a_warning(tmp_path):
    config = changed(optimiser=Optimiser(learning_rate=100.0, weight_decay=10.0, schedule="constant"), epochs=40)
    run = train(config, tmp_path)
    (template, values), *_ = run.warnings
    assert "diverged at step {step}" in template and values["kept"] < values["step"]
    assert all(np.isfinite(w).all() for w in run.last("model").weights.values())
    assert all(math.isfinite(v) for _, v in run.series["step_norm"])
    assert len(run.series["step_norm"]) == values["step"] - 1 < 320
    json.dumps(run.last("model").summary, allow_nan=False)


def test_a_network_that_learns_nothing_is_said_to_be_untrained(tmp_path):
    run = train(changed(optimiser=Optimiser(learning_rate=1e-9), epochs=1), tmp_path)
    (template, values), *_ = run.warnings
    assert "not trained" in template and float(values["guess"]) == pytest.approx(math.log(3), abs=1e-3)


def test_no_epochs_keep_a_network_as_it_is(tmp_path, small):
    from safetensors.numpy import save_file

    save_file({name: np.array(w) for name, w in small.last("model").weights.items()}, tmp_path / "w.safetensors")
    config = changed(epochs=0, min_updates=500, model=Mlp(widths=(6,), weights=str(tmp_path / "w.safetensors")))
    run = train(config, tmp_path)
    assert len(run.published["model"]) == 1 and run.published["model"][0][1] and "step_norm" not in run.series
    for name, weights in small.last("model").weights.items():
        np.testing.assert_array_equal(run.last("model").weights[name], weights)
    assert run.scalars["test_loss"][0] == small.scalars["test_loss"][0]
    with pytest.raises(WeightsMismatch):
        train(changed(config, model=config.model.model_copy(update={"widths": (7,)})), tmp_path)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_a_users_trained_network_comes_in_with_its_weights(tmp_path, ending):
    """Import: the user's code, the user's checkpoint, the data it was trained on; no step is made."""
    from safetensors.torch import save_file

    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\ndef build(): return torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Linear(9, 3))"
    )
    grant(survey(path).sha256, str(path))
    theirs = torch.nn.Sequential(torch.nn.Linear(4, 9), torch.nn.Linear(9, 3))
    weights = tmp_path / f"best.{ending}"
    if ending == "pt":
        torch.save({"epoch": 7, "state_dict": {f"module.{k}": v for k, v in theirs.state_dict().items()}}, weights)
    else:
        save_file(theirs.state_dict(), weights)
    run = train(changed(model=UserModel(path=str(path), weights=str(weights)), epochs=0), tmp_path / "run")
    weights.unlink()
    loaded = load(run.last("model"))
    x, y = loaded.batch("test")
    torch.testing.assert_close(loaded.outputs(loaded.params, x), theirs(x))
    expected = torch.nn.functional.cross_entropy(theirs(x), y).item()
    assert run.scalars["test_loss"][0] == pytest.approx(expected, rel=1e-6)
    assert len(run.published["model"]) == 1 and run.scalars["updates"][0] == 0


def test_a_saved_model_goes_on_as_a_fresh_start_with_its_weights(tmp_path, small):
    """Training on from published weights begins at their loss."""
    from safetensors.numpy import save_file

    save_file({name: np.array(w) for name, w in small.last("model").weights.items()}, tmp_path / "w.safetensors")
    run = train(changed(model=Mlp(widths=(6,), weights=str(tmp_path / "w.safetensors"))), tmp_path)
    assert run.series["train_loss"][0][1] == small.series["train_loss"][-1][1]
    assert run.series["train_loss"][-1][1] < run.series["train_loss"][0][1]


def test_settings_of_the_data_reach_the_training(tmp_path):
    half = train(changed(data=BuiltinData(name="iris", subset=0.5)), tmp_path)
    assert half.scalars["updates"][0] == 6 * 4  # 60 examples in batches of 16
    tested = train(changed(data=BuiltinData(name="iris", test_fraction=0.4)), tmp_path)
    assert tested.scalars["test_accuracy"][2] == 60
    plain = train(changed(data=BuiltinData(name="iris", standardise="none")), tmp_path)
    assert load(plain.last("model")).dataset().x_train.min() > 0
    assert plain.last("model").identity["content"] != half.last("model").identity["content"]


def test_every_setting_of_the_training_changes_it(tmp_path, small):
    """Nothing is a setting that does nothing: each value other than the default gives another path."""
    changes = {
        "momentum": changed(optimiser=Optimiser(momentum=0.5)),
        "weight decay": changed(optimiser=Optimiser(weight_decay=0.1)),
        "rate": changed(optimiser=Optimiser(learning_rate=0.01)),
        "schedule": changed(optimiser=Optimiser(schedule="cosine")),
        "method": changed(optimiser=Optimiser(method="adam")),
        "second moment": changed(optimiser=Optimiser(method="adam", second_moment=0.9)),
        "batch": changed(batch_size=15),
        "replacement": changed(replacement=True),
        "seed": changed(seed=3),
        "activation": changed(model=Mlp(widths=(6,), activation="tanh")),
        "noise": changed(data=BuiltinData(name="iris", label_noise=0.1)),
        "split": changed(data=BuiltinData(name="iris", split_seed=1)),
    }
    ends = {name: train(config, tmp_path).series["displacement"][-1][1] for name, config in changes.items()}
    ends["default"] = small.series["displacement"][-1][1]
    assert len(set(ends.values())) == len(ends)


def test_a_number_to_predict(tmp_path):
    config = changed(data=BuiltinData(name="diabetes"), optimiser=Optimiser(learning_rate=0.01))
    run = train(config, tmp_path)
    assert "test_accuracy" not in run.scalars and run.scalars["train_loss"][0] < 0.9
    assert "standardised" in run.warnings[0][0] and load(run.last("model")).loss_name == "mse"


def test_steps_are_told_within_an_epoch(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.studies.training.study.STEPS_SECONDS", 0.0)
    run = train(changed(epochs=1), tmp_path)
    assert [done for done, _, _ in run.progressed] == list(range(1, 9)) and {
        total for _, total, _ in run.progressed
    } == {8}
    assert [step for step, _ in run.series["minibatch_loss"]] == list(range(1, 9))


def test_a_floor_of_updates(tmp_path):
    run = train(changed(min_updates=100), tmp_path)
    assert run.scalars["updates"][0] == 104


def test_points_come_often_and_label_noise_lowers_what_can_be_learned(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.studies.training.study.POINT_SECONDS", 0.0)
    run = train(changed(data=BuiltinData(name="iris", label_noise=0.6)), tmp_path)
    assert run.points > 48 and run.scalars["train_accuracy"][0] < 85


MINE = """
import torch

def build():
    return torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))

def data():
    x = torch.randn(80, 2, generator=torch.Generator().manual_seed(0))
    return x, x[:, :1] * x[:, 1:]

def loss(outputs, targets):
    return (outputs - targets).abs().mean()
"""


def test_a_users_file_with_its_own_data_and_loss(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    config = changed(
        model=UserModel(path=str(path)),
        data=ModelFileData(),
        optimiser=Optimiser(method="adam", learning_rate=0.02, weight_decay=0.0),
        epochs=30,
    )
    folder = tmp_path / "run"
    with pytest.raises(ConsentMissing):
        train(config, folder)
    grant(survey(path).sha256, str(path))
    run = train(config, folder)
    path.write_text("raise SystemError")  # a resumed or loaded run needs its copy only
    loaded = load(run.last("model"))
    assert loaded.loss_name == "user" and run.last("model").source == folder / "source"
    x, y = loaded.batch("test")
    assert float(loaded.loss(loaded.params, (x, y))) == pytest.approx(run.scalars["test_loss"][0], rel=1e-6)
    series = [value for _, value in run.series["train_loss"]]
    assert series[-1] < 0.7 * series[0] and run.warnings == [] and "train_accuracy" not in run.scalars


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "    if self.training: raise ValueError('only when training')",
            r"The network of the model file failed: ValueError.*line 8",
        ),
        ("    return self.lines(x)", r"The network or its loss of the model file failed: AttributeError.*line 8"),
        ("    if 2 < len(x) < 16: return self.line(x[:, :3])", r"RuntimeError: mat1.*line 8: if 2"),
    ],
)
def test_faults_while_training_name_the_users_line(tmp_path, line, words):
    text = "import torch\nclass Net(torch.nn.Module):\n  def __init__(self):\n    super().__init__()\n"
    text += f"    self.line = torch.nn.Linear(4, 3)\n\n  def forward(self, x):\n{line}\n    return self.line(x)\n"
    text += "def build(): return Net()\n"
    (tmp_path / "mine.py").write_text(text)
    grant(survey(tmp_path / "mine.py").sha256, "mine.py")
    config = changed(
        model=UserModel(path=str(tmp_path / "mine.py")), data=BuiltinData(name="iris", subset=0.7), batch_size=24
    )
    with pytest.raises(UserCodeFailed, match=words):
        train(config, tmp_path / "run")


# ---------------------------------------------------------------------------------------------------------------- parts
def test_due_spreads_evenly_and_ends_with_the_last():
    for epochs in (1, 5, 60, 61):
        for times in (1, 3, 60, 200):
            chosen = [e for e in range(1, epochs + 1) if due(e, times, epochs)]
            assert len(chosen) == min(times, epochs) and chosen[-1] == epochs
            gaps = np.diff([0, *chosen])
            assert gaps.max() - gaps.min() <= 1
    assert finite({"a": 1.0, "b": math.nan, "c": math.inf}) == {"a": 1.0}


@pytest.mark.parametrize(
    "model",
    [
        Mlp(widths=(5, 7)),
        Cnn(channels=(3, 4), kernel=5, hidden=6),
        Resnet(width=4, blocks=2),
        Transformer(dim=8, depth=2, heads=2),
    ],
)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 40)])
def test_cost_counts_the_weights_about_right(model, shape):
    from engine.models.builtin import build

    net = build(model, shape, 10, 0)
    weights = sum(p.numel() for name, p in net.named_parameters() if p.dim() > 1 and name != "position")
    _, work, counted = network_size(model, shape, 10)
    assert counted == pytest.approx(weights, rel=0.35)
    assert work >= counted or isinstance(model, Resnet)


def test_costs_grow_with_the_work_and_are_unknown_for_users():
    quick = estimate(TrainConfig())
    assert 3 < quick.seconds < 15 and 2e8 < quick.bytes < 2e9
    assert estimate(TrainConfig(epochs=600)).seconds > 3 * quick.seconds - 6
    assert estimate(changed(TrainConfig(), model=Resnet())).seconds > 5 * quick.seconds
    assert estimate(changed(model=UserModel(path="x.py"))).seconds is None
    presets = [estimate(TrainConfig.presets()[name]).seconds for name in PRESETS]
    assert presets == sorted(presets) and presets[0] < 5


def test_small_networks_train_on_one_thread(tmp_path):
    torch.set_num_threads(2)
    train(changed(epochs=1), tmp_path)
    assert torch.get_num_threads() == 1
