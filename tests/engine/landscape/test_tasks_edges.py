"""The landscape tasks where things are odd: stopped and resumed, numbers as targets, unlike networks, no estimate."""

import numpy as np
import pytest
import torch

from engine.artifacts.refs import ArtifactRef
from engine.data.config import BuiltinData, FileData
from engine.models.config import Cnn, Mlp, Resnet, UserModel
from engine.models.finite import NotFinite
from engine.runs.run import Stopped
from engine.studies import catalogue
from engine.studies.landscape import cost
from engine.studies.landscape.config import (
    ConnectConfig,
    HessianConfig,
    LineConfig,
    SharpnessConfig,
    SimilarityConfig,
    SurfaceConfig,
)
from engine.studies.landscape.setting import DifferentModels
from engine.studies.training.config import TrainConfig
from tests.engine.fakes import FakeRun
from tests.engine.landscape.conftest import trained
from tests.engine.landscape.test_tasks import model, run, value


class Remembering(FakeRun):
    """Knows all versions of its inputs."""

    def history(self, ref):
        names = [name for name in self.inputs if name.startswith(f"{ref.run}/{ref.name}@")]
        return [ref.model_copy(update={"version": int(name.partition("@")[2])}) for name in names]

    def input(self, ref):
        return self.inputs[f"{ref.run}/{ref.name}@{ref.version}" if ref.version else f"{ref.run}/{ref.name}"]

    def resumed(self, stop_after=None):
        later = super().resumed(stop_after)
        later.__class__ = Remembering
        return later


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Every version of a network that its training published."""
    net = trained(tmp_path_factory.mktemp("versions"), versions=2, epochs=6, model=Mlp(widths=()))
    found = [artifact for artifact, _ in net.published["model"]]
    return {f"0/model@{index + 1}": artifact for index, artifact in enumerate(found)}


HISTORY = HessianConfig(model=model(), top=1, probes=2, steps=8, trace_tolerance=0.5, history=True)


def test_curvature_during_training_stopped_and_resumed_is_the_same(versions, tmp_path):
    whole = run(HISTORY, Remembering(tmp_path, 0, versions))
    report = whole.last("spectrum")
    assert len(report.history) == len(versions) >= 2
    assert report.history[:, 0].tolist() == [float(a.summary["updates"]) for a in versions.values()]
    largest = whole.series[("lambda_max", ("matrix", "hessian"))]
    assert [step for step, _ in largest] == report.history[:, 0].tolist()
    fake = Remembering(tmp_path, 0, versions, stop_after=whole.points // 2)
    with pytest.raises(Stopped):
        run(HISTORY, fake)
    assert fake.checkpoints >= 1
    again = run(HISTORY, fake.resumed())
    assert np.array_equal(again.last("spectrum").history, report.history)
    assert again.series[("lambda_max", ("matrix", "hessian"))] == largest


def test_sharpness_stopped_and_resumed_is_the_same(looking, tmp_path):
    config = SharpnessConfig(model=model(), directions=3)
    whole = run(config, looking)
    fake = FakeRun(tmp_path, 0, looking.inputs, stop_after=whole.points - 4)
    with pytest.raises(Stopped):
        run(config, fake)
    assert fake.checkpoints >= 1
    again = run(config, fake.resumed())
    for column, values in whole.last("samples").items():
        assert np.array_equal(again.last("samples")[column], values)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """Two networks that predict a number."""
    data = BuiltinData(name="diabetes")
    nets = [trained(tmp_path_factory.mktemp("numbers"), seed, data=data, epochs=5) for seed in range(2)]
    return {f"{index}/model": net.last("model") for index, net in enumerate(nets)}


@pytest.mark.parametrize("form", ["linear", "bezier"])
def test_a_curve_between_networks_that_predict_numbers_has_no_error(numbers, tmp_path, form):
    config = ConnectConfig(first=model(), second=model(1), form=form, steps=10, max_steps=10, points=21)
    fake = run(config, FakeRun(tmp_path, 0, numbers))
    report = fake.last("curve")
    assert np.isfinite(report.train_loss).all() and np.isnan(report.train_error).all()
    assert np.isnan(value(fake, "mc_error", curve=form)) and np.isfinite(value(fake, "mc_loss", curve=form))


def test_similarity_of_networks_that_predict_numbers_has_no_disagreement(numbers, tmp_path):
    fake = run(SimilarityConfig(models=[model(), model(1)], samples=64), FakeRun(tmp_path, 0, numbers))
    assert "disagreement" not in fake.scalars and np.isnan(fake.last("similarity").disagreement).all()


def test_statistics_of_batch_normalisation_are_refitted_along_a_curve(tmp_path):
    nets = [trained(tmp_path, seed, model=Mlp(widths=(5,), batch_norm=True), epochs=8) for seed in range(2)]
    inputs = {f"{index}/model": net.last("model") for index, net in enumerate(nets)}
    config = ConnectConfig(first=model(), second=model(1), form="linear", points=21)
    report = run(config, FakeRun(tmp_path, 0, inputs)).last("curve")
    stale = [float(net.scalars["train_loss"][0]) for net in nets]
    # The ends are those of training up to the moving average that their statistics were.
    assert report.train_loss[[0, -1]] == pytest.approx(stale, abs=0.2)
    assert np.isfinite(report.train_loss).all()


def test_networks_for_unlike_inputs_cannot_be_compared(looking, tmp_path):
    other = trained(tmp_path, data=BuiltinData(name="wine"), epochs=0)
    looking.inputs["3/model"] = other.last("model")
    with pytest.raises(DifferentModels, match=r"mlp takes inputs of shape .*4.*, mlp of shape .*13"):
        run(SimilarityConfig(models=[model(), model(3)]), looking)
    with pytest.raises(DifferentModels):
        run(ConnectConfig(first=model(), second=model(3)), looking)


def test_the_curvature_of_a_diverged_network_is_refused(networks, tmp_path):
    artifact = networks[0].last("model")
    broken = {name: np.full_like(array, np.nan) for name, array in artifact.weights.items()}
    fake = FakeRun(tmp_path, 0, {"0/model": type(artifact)(**{**vars(artifact), "weights": broken})})
    with pytest.raises(NotFinite, match="training has probably diverged"):
        run(HessianConfig(model=model()), fake)


# Estimates -----------------------------------------------------------------------------------------------------------
MADE_BY = TrainConfig(model=Mlp(widths=(32,)), data=BuiltinData(name="digits"))
UPSTREAM = {"model": MADE_BY, "models": MADE_BY, "first": MADE_BY, "second": MADE_BY}
CONFIGS = [SurfaceConfig(), LineConfig(), HessianConfig(), ConnectConfig(), SimilarityConfig(), SharpnessConfig()]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.task)
def test_what_a_known_network_costs_is_known_and_grows_with_it(config):
    task = catalogue.task(config.task)
    small = task.estimate(config, UPSTREAM)
    assert small.seconds > 0 and small.bytes > 0
    wide = MADE_BY.model_copy(update={"model": Mlp(widths=(512, 512))})
    large = task.estimate(config, dict.fromkeys(UPSTREAM, wide))
    assert large.seconds > small.seconds and large.bytes > small.bytes
    assert task.estimate(config).seconds is None


@pytest.mark.parametrize(
    "changes", [{"model": UserModel(path="own.py")}, {"data": FileData(path="own.csv")}], ids=["model", "data"]
)
def test_what_the_user_s_own_costs_is_unknown(changes):
    made_by = MADE_BY.model_copy(update=changes)
    assert cost.estimate(10, 0, True, False, made_by).seconds is None
    assert cost.training_steps(10, 16, made_by) is None


def test_fewer_examples_fewer_points_and_no_refit_cost_less():
    full = cost.estimate(100, 0, True, True, MADE_BY).seconds
    for less in ((50, 0, True, True), (100, 100, True, True), (100, 0, False, True), (100, 0, True, False)):
        assert cost.estimate(*less, MADE_BY).seconds < full
    deep = MADE_BY.model_copy(update={"model": Resnet(width=4, blocks=1)})
    assert cost.estimate(100, 0, True, True, deep).seconds > full


def test_steps_of_a_curve_cost_in_proportion_and_none_cost_nothing():
    assert cost.training_steps(0, 16, None) == 0
    assert cost.training_steps(10, 16, None) is None
    one, ten = (cost.training_steps(steps, 16, MADE_BY) for steps in (1, 10))
    assert ten == pytest.approx(10 * one) and one > 0
    images = MADE_BY.model_copy(update={"model": Cnn()})
    assert cost.training_steps(10, 16, images) > ten


def test_a_loss_that_ends_in_infinity_is_no_curvature(looking):
    """The weights are finite, and the network's answers too large for single precision."""
    artifact = looking.inputs["0/model"]
    huge = {name: array * np.float32(1e30) for name, array in artifact.weights.items()}
    assert all(np.isfinite(array).all() for array in huge.values())
    looking.inputs["0/model"] = type(artifact)(**{**vars(artifact), "weights": huge})
    with pytest.raises(NotFinite, match="The loss is not finite"):
        run(HessianConfig(model=ArtifactRef(run="0", name="model", kind="model")), looking)
    assert torch.get_default_dtype() == torch.float32
