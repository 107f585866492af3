"""The session that looks at a table before it is fitted."""

import numpy as np
import pytest

from engine.studies.mixture.session import SERVICES
from engine.studies.mixture.tables.errors import NoFileError


class Quiet:
    """A call that nobody gives up."""

    def partial(self, value):
        raise AssertionError(value)

    def superseded(self):
        return False

    def cancelled(self):
        return False

    def point(self):
        pass


@pytest.fixture
def preview():
    return SERVICES["mixture.preview"]({}, {})


def test_columns_are_described(preview, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c,d,k\n1,x,5,,u\n2,y,5,4,v\n4,z,5,7,u\n5,x,5,1,v", encoding="utf-8")
    found = preview.look({"data": {"source": "file", "path": str(path), "label": "k"}}, Quiet())
    columns = {column["name"]: column for column in found["columns"]}
    assert [name for name, column in columns.items() if column["used"]] == ["a", "d"]
    assert columns["a"] == {
        "name": "a", "kind": "number", "missing": 0, "low": 1.0, "high": 5.0, "different": 4, "used": True,
    }  # fmt: skip
    assert columns["b"]["kind"] == "text"
    assert columns["b"]["different"] == 3
    assert columns["d"]["missing"] == 1
    assert columns["k"]["kind"] == "class"
    assert (found["rows"], found["file_rows"], found["missing"], found["classes"]) == (4, 4, True, 2)
    said = [note["template"].format(**note["params"]) for note in found["notes"]]
    assert any("b holds text" in line for line in said)
    assert any("c is 5 in every row" in line for line in said)


def test_a_missing_file_is_told_in_words(preview):
    with pytest.raises(NoFileError, match="There is no table at"):
        preview.look({"data": {"source": "file", "path": "/nowhere.csv"}}, Quiet())


def test_the_scree_is_that_of_the_standardised_columns(preview):
    from sklearn.datasets import load_wine

    found = preview.scree({"data": {"source": "builtin", "name": "wine"}, "components": 3}, Quiet())
    expected = np.linalg.eigvalsh(np.corrcoef(load_wine().data.T))[::-1]
    np.testing.assert_allclose(found["values"], expected, rtol=1e-4)
    above = int((np.array(found["values"]) > found["chance"]).argmin())
    assert found["suggested"] <= above == 3
    assert set(found["rules"]) == {"parallel", "gavish_donoho", "variance", "elbow"}
    assert found["rules"]["parallel"] == found["suggested"]
    assert all(1 <= q <= 13 for q in found["rules"].values())
