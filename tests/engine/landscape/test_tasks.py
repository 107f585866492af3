"""The landscape tasks on runs in memory: what they publish and measure, against direct computation; how they resume."""

import numpy as np
import pytest
import torch

from engine.artifacts.refs import ArtifactRef
from engine.models.config import Cnn, Mlp
from engine.models.load import load
from engine.runs.run import Stopped
from engine.studies import catalogue
from engine.studies.landscape import tasks_plane
from engine.studies.landscape.config import (
    ConnectConfig,
    HessianConfig,
    LandscapeConfig,
    LineConfig,
    SharpnessConfig,
    SimilarityConfig,
    SurfaceConfig,
)
from engine.studies.landscape.kinds import KINDS
from engine.studies.landscape.spans import NeedsModels, NeedsPath
from engine.studies.landscape.tasks_similarity import NeedsTwo
from engine.studies.landscape.weights import read_weights
from tests.engine.fakes import FakeRun
from tests.engine.landscape.conftest import IRIS, trained


def model(index=0):
    return ArtifactRef(run=str(index), name="model", kind="model")


def path(index=0):
    return ArtifactRef(run=str(index), name="trajectory", kind="trajectory")


def run(config, fake):
    catalogue.task(config.task).run(config, fake)
    return fake


def value(fake, id, **dims):
    return fake.scalars[(id, *sorted(dims.items())) if dims else id][0]


def loss_at(artifact, weights):
    loaded = load(artifact)
    from engine.studies.landscape.vectors import Layout

    with torch.no_grad():
        return float(loaded.loss(Layout.of(loaded.params).unflatten(weights), loaded.batch("train")))


PLANE = SurfaceConfig(model=model(), trajectory=path(), resolution=13)


@pytest.fixture(scope="module")
def plane_run(networks, tmp_path_factory):
    inputs = {f"0/{name}": networks[0].last(name) for name in ("model", "trajectory")}
    return run(PLANE, FakeRun(tmp_path_factory.mktemp("plane"), 0, inputs))


def test_a_plane_is_the_loss_at_its_points(plane_run, networks):
    plane, directions = plane_run.last("plane"), plane_run.last("directions")
    artifact = networks[0].last("model")
    origin = read_weights(load(artifact).module)
    for row, column in ((6, 6), (0, 0), (3, 11)):
        place = np.array([plane.alpha[column], plane.beta[row]])
        weights = origin + torch.from_numpy(place.astype(np.float32) @ directions.vectors)
        assert plane.fields["train_loss"][row, column] == pytest.approx(loss_at(artifact, weights), rel=1e-4)
    assert value(plane_run, "plane_loss_centre") == pytest.approx(loss_at(artifact, origin), rel=1e-5)
    assert value(plane_run, "plane_loss_min") == np.nanmin(plane.fields["train_loss"])


def test_a_plane_comes_coarse_first_and_every_version_is_a_whole_lattice(plane_run):
    versions = plane_run.published["plane"]
    assert [len(plane.rows) for plane, _ in versions] == [7, 13]
    assert [complete for _, complete in versions] == [False, True]
    for plane, _ in versions:
        assert np.isfinite(plane.picture("train_loss")[2]).all()
        assert 0 <= np.nanmin(plane.fields["test_accuracy"]) <= np.nanmax(plane.fields["test_accuracy"]) <= 100


def test_the_path_has_its_own_loss_and_ends_at_the_model(plane_run, networks):
    found = plane_run.last("plane").path
    assert found.points[-1] == pytest.approx([0, 0], abs=1e-5)
    assert found.distance[-1] == pytest.approx(0, abs=1e-5)
    first = torch.from_numpy(np.array(networks[0].last("trajectory")["snapshots"]["weights"][0]))
    assert found.loss[0] == pytest.approx(loss_at(networks[0].last("model"), first), rel=1e-5)
    assert 0 < value(plane_run, "path_residual") <= 1


@pytest.mark.parametrize("points", [3, 12, 25])
def test_a_plane_stopped_and_resumed_is_the_same(plane_run, networks, tmp_path, points, monkeypatch):
    monkeypatch.setattr(tasks_plane, "CHECKPOINT_SECONDS", 0.0)
    inputs = {f"0/{name}": networks[0].last(name) for name in ("model", "trajectory")}
    fake = FakeRun(tmp_path, 0, inputs, stop_after=points)
    with pytest.raises(Stopped):
        run(PLANE, fake)
    again = run(PLANE, fake.resumed())
    for name, field in plane_run.last("plane").fields.items():
        assert np.array_equal(again.last("plane").fields[name], field)
    assert np.array_equal(again.last("plane").path.loss, plane_run.last("plane").path.loss)


def test_principal_axes_hold_the_path(looking):
    fake = run(PLANE.model_copy(update={"directions": "trajectory"}), looking)
    points = fake.last("plane").path.points
    assert np.abs(points).max() < 1
    assert np.abs(points).max() > 0.8
    assert 50 < value(fake, "explained_variance") <= 100


def test_three_models_lie_on_their_plane(looking, networks):
    config = PLANE.model_copy(
        update={"directions": "checkpoints", "second": model(1), "third": model(2), "resolution": 7}
    )
    plane = run(config, looking).last("plane")
    directions = looking.last("directions")
    for index, name in enumerate(("model 1", "model 2", "model 3")):
        weights = torch.from_numpy(directions.origin + np.array(plane.marks[name], np.float32) @ directions.vectors)
        expected = read_weights(load(networks[index].last("model")).module)
        assert torch.allclose(weights, expected, atol=1e-5)
    assert "plane_loss_centre" not in looking.scalars


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"directions": "trajectory", "trajectory": None}, NeedsPath), ({"directions": "checkpoints"}, NeedsModels)],
)
def test_a_plane_that_lacks_something_says_what(looking, changes, error):
    with pytest.raises(error):
        run(PLANE.model_copy(update=changes), looking)


def test_a_line_between_two_models_passes_both(looking, networks):
    fake = run(LineConfig(model=model(), second=model(1), resolution=31), looking)
    line = fake.last("line")
    for place, index in ((0.0, 0), (1.0, 1)):
        at = int(np.argmin(np.abs(line.alpha - place)))
        artifact = networks[index].last("model")
        if line.alpha[at] == place:
            expected = loss_at(artifact, read_weights(load(artifact).module))
            assert line.fields["train_loss"][at] == pytest.approx(expected, rel=1e-4)
    assert line.alpha[0] < 0 < 1 < line.alpha[-1]


def test_the_spectrum_is_that_of_the_dense_hessian(looking, networks):
    fake = run(HessianConfig(model=model(), top=3, probes=2, steps=15), looking)
    loaded = load(networks[0].last("model"))
    from engine.studies.landscape.vectors import Layout

    layout, batch = Layout.of(loaded.params), loaded.batch("train")
    double = (batch[0].double(), batch[1])
    loaded.module.double()
    weights = layout.flatten(loaded.params).double()
    dense = torch.autograd.functional.hessian(lambda w: loaded.loss(layout.unflatten(w), double), weights)
    values = torch.linalg.eigvalsh(dense)
    assert value(fake, "lambda_max", matrix="hessian") == pytest.approx(float(values[-1]), rel=1e-4)
    assert value(fake, "lambda_min", matrix="hessian") == pytest.approx(float(values[0]), rel=1e-2, abs=1e-4)
    assert value(fake, "curvature_trace", matrix="hessian") == pytest.approx(float(values.sum()), rel=0.03)
    assert fake.last("spectrum").values[:3] == pytest.approx(values.flip(0)[:3].numpy(), rel=1e-3)
    assert not fake.last("spectrum").copies
    layers = sum(v[0] for key, v in fake.scalars.items() if isinstance(key, tuple) and key[0] == "layer_trace")
    assert layers == pytest.approx(float(values.sum()), rel=0.05)


def test_multiplicities_of_softmax_regression_at_zero(tmp_path):
    net = trained(tmp_path, epochs=0, model=Mlp(widths=()))
    artifact = net.last("model")
    zero = {name: np.zeros_like(array) for name, array in artifact.weights.items()}
    fake = FakeRun(tmp_path, 0, {"0/model": type(artifact)(**{**vars(artifact), "weights": zero})})
    report = run(HessianConfig(model=model(), top=6, probes=2, steps=10, copies=True), fake).last("spectrum")
    values = report.values
    assert report.copies
    x = load(artifact).batch("train")[0].flatten(1).double()
    x = torch.cat([x, torch.ones(len(x), 1)], 1)  # the bias is a column of ones
    each = torch.linalg.eigvalsh(x.T @ x / len(x)).flip(0)[:3] / 3  # of (I/C - 11'/C^2): 1/3, twice, for three classes
    assert values[:6] == pytest.approx(each.repeat_interleave(2).numpy(), rel=1e-3)


def test_gauss_newton_has_no_negative_part(looking):
    fake = run(HessianConfig(model=model(), matrix="ggn", top=2, probes=2, steps=10), looking)
    assert value(fake, "lambda_min", matrix="ggn") > -1e-4
    assert value(fake, "negative_mass", matrix="ggn") < 0.1


def test_connectivity_of_a_network_with_itself_is_zero(looking):
    config = ConnectConfig(
        first=model(), second=model(), steps=20, max_steps=20, points=21, weight_decay=0.0, learning_rate=1e-4
    )
    fake = run(config, looking)
    assert abs(value(fake, "mc_loss", curve="linear")) < 1e-6
    assert abs(value(fake, "mc_loss", curve="bezier")) < 1e-2


def test_a_trained_curve_is_no_worse_than_the_line(looking, networks):
    fake = run(ConnectConfig(first=model(), second=model(1), steps=400, max_steps=1200, points=21), looking)
    curve = fake.last("curve")
    assert curve.train_loss.mean() < curve.linear_loss.mean()
    for end, index in ((0, 0), (-1, 1)):
        artifact = networks[index].last("model")
        assert curve.train_loss[end] == pytest.approx(loss_at(artifact, read_weights(load(artifact).module)), rel=1e-4)
    assert curve.corners.shape == (3, 2)


def test_a_curve_stopped_and_resumed_is_the_same(looking, tmp_path):
    config = ConnectConfig(first=model(), second=model(1), steps=300, max_steps=300, points=21)
    whole = run(config, looking)
    fake = FakeRun(tmp_path, 0, looking.inputs, stop_after=3)
    with pytest.raises(Stopped):
        run(config, fake)
    again = run(config, fake.resumed())
    assert np.array_equal(again.last("curve").train_loss, whole.last("curve").train_loss)


def test_aligning_says_how_far_it_moved(looking):
    fake = run(ConnectConfig(first=model(), second=model(1), form="linear", align=True, points=21), looking)
    assert any("permuted" in template for template, _ in fake.warnings)
    assert fake.last("curve").aligned


def test_similarity_of_a_network_with_itself_is_one(looking):
    fake = run(SimilarityConfig(models=[model(), model(), model(1)], samples=100), looking)
    report = fake.last("similarity")
    assert report.cka[0, 1] == pytest.approx(1, abs=1e-6)
    assert report.weight_distance[0, 1] == 0
    assert report.disagreement[0, 1] == 0
    assert np.allclose(np.diag(report.cka), 1)
    assert value(fake, "cka", of="softmax") == pytest.approx(report.cka[~np.eye(3, dtype=bool)].mean())
    with pytest.raises(NeedsTwo):
        run(SimilarityConfig(models=[model()]), looking)


@pytest.mark.parametrize("read", ["softmax", "logits", "features"])
def test_similarity_of_every_representation(looking, read):
    fake = run(SimilarityConfig(models=[model(), model(1)], read=read, debiased=True, mixup=False, samples=60), looking)
    assert np.isfinite(fake.last("similarity").cka).all()
    assert fake.last("similarity").layer_cka.shape == (len(fake.last("similarity").layers_first),) * 2


def test_sharpness_rises_with_the_size_of_the_neighbourhood(looking, tmp_path):
    near = run(SharpnessConfig(model=model(), directions=4), looking)
    far = run(SharpnessConfig(model=model(), directions=4, epsilon=0.01, rho=0.5, rho_adaptive=1.0, radius=0.5),
              FakeRun(tmp_path, 0, looking.inputs))  # fmt: skip
    for id in ("epsilon_sharpness", "sam_sharpness", "asam_sharpness", "ball_mean", "ball_max"):
        assert value(far, id) > value(near, id) > -1e-6
    assert set(near.last("samples")) == {"measure", "value"}


def test_everything_measured_is_registered(looking, plane_run):
    run(SharpnessConfig(model=model(), directions=2), looking)
    told = {key[0] if isinstance(key, tuple) else key for fake in (looking, plane_run) for key in fake.scalars}
    assert told <= set(catalogue.measures())


def test_an_untrained_network_is_called_so(tmp_path):
    dead = trained(tmp_path, epochs=0, model=Mlp(widths=(2,)))
    fake = FakeRun(tmp_path, 0, {"0/model": dead.last("model")})
    artifact = dead.last("model")
    zero = {name: np.zeros_like(array) for name, array in artifact.weights.items()}
    fake.inputs["0/model"] = type(artifact)(**{**vars(artifact), "weights": zero})
    run(HessianConfig(model=model(), top=1, probes=1, steps=5, trace_tolerance=1.0), fake)
    assert any("not trained" in template for template, _ in fake.warnings)


def test_a_network_with_nan_weights_is_told(networks, tmp_path):
    artifact = networks[0].last("model")
    broken = {name: np.full_like(array, np.nan) for name, array in artifact.weights.items()}
    fake = FakeRun(tmp_path, 0, {"0/model": type(artifact)(**{**vars(artifact), "weights": broken})})
    run(SurfaceConfig(model=model(), resolution=7), fake)
    assert value(fake, "plane_nonfinite") == 100
    assert any("not finite" in template for template, _ in fake.warnings)


def test_batch_norm_is_refitted_where_asked(tmp_path):
    net = trained(tmp_path, model=Mlp(widths=(5,), batch_norm=True), epochs=8)
    fakes = [
        run(
            SurfaceConfig(model=model(), resolution=7, batch_norm=how),
            FakeRun(tmp_path, 0, {"0/model": net.last("model")}),
        )
        for how in ("keep", "refit")
    ]
    kept, refitted = (fake.last("plane").fields["train_loss"] for fake in fakes)
    assert not np.allclose(kept[0, 0], refitted[0, 0])
    assert np.isfinite(refitted).all()


def test_convolutional_networks_pass_through_every_task(tmp_path):
    few = IRIS.model_copy(update={"name": "digits", "subset": 0.1})
    net = Cnn(channels=(2,), hidden=4)
    nets = [trained(tmp_path, seed, model=net, data=few, epochs=3) for seed in range(2)]
    inputs = {f"{i}/model": net.last("model") for i, net in enumerate(nets)}
    for config, output in (
        (SurfaceConfig(model=model(), resolution=7), "plane"),
        (HessianConfig(model=model(), top=1, probes=1, steps=5, trace_tolerance=1.0), "spectrum"),
        (ConnectConfig(first=model(), second=model(1), steps=10, max_steps=10, points=21, align=True), "curve"),
        (SimilarityConfig(models=[model(), model(1)], samples=64), "similarity"),
        (SharpnessConfig(model=model(), directions=2), "samples"),
    ):
        assert run(config, FakeRun(tmp_path, 0, inputs)).published[output][-1][1]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kinds_read_back_what_they_wrote(kind, looking, tmp_path):
    configs = {
        "plane": PLANE.model_copy(update={"resolution": 7}),
        "directions": PLANE.model_copy(update={"resolution": 7}),
        "line": LineConfig(model=model(), resolution=7),
        "spectrum": HessianConfig(model=model(), top=1, probes=2, steps=5, trace_tolerance=1.0),
        "curve": ConnectConfig(first=model(), second=model(1), steps=10, max_steps=10, points=21),
        "similarity": SimilarityConfig(models=[model(), model(1)], samples=32),
    }
    written = run(configs[kind.name], looking).last(kind.name)
    folder = tmp_path / "artifact"
    folder.mkdir()
    kind.write(written, folder)
    again = kind.read(folder)
    for name in type(written).__dataclass_fields__:
        before, after = getattr(written, name), getattr(again, name)
        if isinstance(before, np.ndarray):
            assert np.array_equal(before, after, equal_nan=True)
        elif isinstance(before, str | int | float | tuple):
            assert before == after
    assert kind.describe(again)


def test_the_pipeline_trains_as_many_networks_as_it_compares():
    config = LandscapeConfig(networks=4)
    assert list(config.stages()) == ["train", "surface"]
    connected = config.model_copy(update={"connect": ConnectConfig()})
    assert list(connected.trainings()) == ["train", "train2"]
    both = connected.model_copy(update={"similarity": SimilarityConfig()})
    assert [c.seed for c in both.trainings().values()] == [0, 1, 2, 3]
    assert both.links()["similarity.models"] == [(name, "model") for name in both.trainings()]
