"""The session behind the cursor on a plane: its numbers are those of the loss there."""

import numpy as np
import pytest
import torch

from engine.artifacts import versions
from engine.artifacts.kinds import kind_named
from engine.artifacts.refs import ArtifactRef
from engine.data.config import BuiltinData
from engine.models.load import load
from engine.sessions.service import methods
from engine.studies.landscape.config import SurfaceConfig
from engine.studies.landscape.session import SERVICES
from engine.studies.landscape.vectors import Layout
from tests.engine.fakes import FakeRun
from tests.engine.landscape.conftest import trained
from tests.engine.landscape.test_tasks import model, run


def opened(root, net, **config):
    """A session on a network and on the directions of a plane around it, and both."""
    artifact = net.last("model")
    found = run(SurfaceConfig(model=model(), resolution=7, **config), FakeRun(root, 0, {"0/model": artifact}))
    (root / "there").mkdir()
    spec = {"root": str(root), "examples": config.get("examples", 0)}
    for name, value in (("model", artifact), ("directions", found.last("directions"))):
        versions.write(root / "there" / "artifacts", name, kind_named(name), value, complete=True)
        spec[name] = ArtifactRef(run="there", name=name, kind=name, version=1).model_dump()
    return SERVICES["landscape.cursor"](spec, {}), load(artifact), found


@pytest.fixture(scope="module")
def cursor(tmp_path_factory, networks):
    return opened(tmp_path_factory.mktemp("cursor"), networks[0])


def weights_at(loaded, directions, place):
    layout = Layout.of(loaded.params)
    return layout.unflatten(layout.flatten(loaded.params) + torch.from_numpy(place @ directions.vectors).float())


@pytest.mark.parametrize("place", [[0.0, 0.0], [0.4, -0.7]])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_place_has_the_loss_of_its_weights(cursor, place, split):
    service, loaded, found = cursor
    answer = service.point({"place": place, "split": split}, None)
    weights, (x, y) = weights_at(loaded, found.last("directions"), np.array(place)), loaded.batch(split)
    with torch.no_grad():
        outputs = loaded.outputs(weights, x)
        losses = torch.nn.functional.cross_entropy(outputs, y, reduction="none")
    assert answer["place"] == place and answer["split"] == split
    assert answer["loss"][split] == pytest.approx(float(losses.mean()), rel=1e-5)
    assert answer["accuracy"][split] == pytest.approx(100 * float((outputs.argmax(1) == y).double().mean()))
    worst = losses.argsort(descending=True)[:5]
    assert answer["worst"]["losses"] == pytest.approx(losses[worst].numpy(), rel=1e-4)
    assert np.array_equal(answer["worst"]["inputs"], x[worst].numpy())
    assert answer["worst"]["targets"] == [loaded.classes[int(c)] for c in y[worst]]
    assert answer["worst"]["answers"] == [loaded.classes[int(c)] for c in outputs[worst].argmax(1)]


def test_asking_leaves_the_network_where_it_was(cursor):
    service, _, _ = cursor
    before = service.point({"place": [0.0, 0.0]}, None)["loss"]
    service.point({"place": [3.0, 3.0]}, None)
    assert service.point({"place": [0.0, 0.0]}, None)["loss"] == before


def test_its_face(cursor):
    assert methods(type(cursor[0])) == ["point"] and cursor[0].device == "cpu"


def test_numbers_have_words_but_no_accuracy(tmp_path):
    net = trained(tmp_path, data=BuiltinData(name="diabetes"), epochs=3)
    service, loaded, _ = opened(tmp_path, net, examples=40)
    answer = service.point({"place": [0.1, 0.0]}, None)
    assert np.isnan(answer["accuracy"]["train"]) and answer["split"] == "train"
    assert all(float(word) == pytest.approx(float(word)) for word in answer["worst"]["targets"])
    limit = loaded.batch("train", 40)[0].numpy()
    assert all((limit == example).all(axis=tuple(range(1, limit.ndim))).any() for example in answer["worst"]["inputs"])
