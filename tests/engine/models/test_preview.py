"""The service that looks at networks and data before a run."""

import pytest

from engine.data.errors import MissingFile
from engine.models.consent import grant
from engine.models.errors import BadForward, ConsentMissing
from engine.models.session import SERVICES
from engine.sessions.client import Session
from engine.sessions.errors import CallFailed
from engine.sessions.service import methods
from tests.engine.models.conftest import GOOD


@pytest.fixture
def service():
    return SERVICES["models.preview"]({}, {})


def test_its_methods(service):
    assert methods(type(service)) == ["data", "layers", "survey"] and service.device == "cpu"


def test_layers_of_a_built_in_network(service):
    facts = service.layers(
        {"model": {"builder": "mlp", "widths": [8]}, "data": {"source": "builtin", "name": "wine"}}, None
    )
    assert [(row["name"], row["parameters"], row["output"]) for row in facts["layers"]] == [
        ("flatten", 0, (13,)),
        ("hidden1", 13 * 8 + 8, (8,)),
        ("act1", 0, (8,)),
        ("output", 27, (3,)),
    ]
    assert facts["parameters"] == facts["trainable"] == 139 and facts["loss"] == "cross_entropy"
    assert facts["input_shape"] == [13] and facts["outputs"] == 3 and facts["rows"] == 142


def test_a_users_network_is_surveyed_confirmed_and_shown(service, write):
    path = write({"model.py": "import helper\n" + GOOD, "helper.py": ""})
    params = {"model": {"builder": "user", "path": str(path)}, "data": {"source": "builtin"}}
    facts = service.survey({"path": str(path)}, None)
    assert [file.rpartition("/")[2] for file in facts["files"]] == ["helper.py", "model.py"] and not facts["consented"]
    with pytest.raises(ConsentMissing):
        service.layers(params, None)
    grant(facts["sha256"], str(path))
    assert service.survey({"path": str(path)}, None)["consented"]
    assert service.layers(params, None)["trainable"] == 64 * 16 + 16 + 170
    params["data"]["name"] = "iris"
    with pytest.raises(BadForward):
        service.layers(params, None)


def test_data_and_their_faults(service, tmp_path):
    assert service.data({"data": {"source": "builtin", "name": "moons", "samples": 100}}, None)["rows"] == 100
    with pytest.raises(MissingFile):
        service.data({"data": {"source": "file", "path": str(tmp_path / "no.csv")}}, None)


def test_through_a_real_session(write):
    """In a process of its own: answers arrive with their arrays, faults with their sentences."""
    path = write("import torch\nprint('built')\ndef build(): return torch.nn.Linear(4, 3)\n")
    model, data = {"builder": "user", "path": str(path)}, {"source": "builtin", "name": "iris"}
    with Session.open("models.preview") as session:
        facts = session.call("data", {"data": data}).result(60)
        assert facts["examples"].shape == (16, 4) and facts["classes"] == [
            ["setosa", 50],
            ["versicolor", 50],
            ["virginica", 50],
        ]
        with pytest.raises(CallFailed, match=r"model\.py is not run without your consent"):
            session.call("layers", {"model": model, "data": data}).result(60)
        sha = session.call("survey", {"path": str(path)}).result(60)["sha256"]
        grant(sha, str(path))
        table = session.call("layers", {"model": model, "data": data}).result(60)
        assert [(row["type"], row["parameters"], list(row["output"])) for row in table["layers"]] == [
            ("Linear", 15, [3])
        ]
        with pytest.raises(CallFailed, match=r"shape \(13,\)"):
            session.call("layers", {"model": model, "data": {"source": "builtin", "name": "wine"}}).result(60)
        with pytest.raises(CallFailed, match=r"There is no file or folder at .*model\.pynothing"):
            session.call("data", {"data": {"source": "file", "path": str(path) + "nothing"}}).result(60)
