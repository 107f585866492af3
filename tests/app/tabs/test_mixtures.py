"""The Mixtures tab: what it shows of finished runs, what clicks do, what it exports."""

import csv
import io
import json

import numpy as np
import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox

from app.tabs import catalogue
from app.tabs.base import Services
from app.tabs.mixtures import TAB, files
from app.tabs.mixtures.colours import blend, from_oklab, to_oklab
from app.tabs.mixtures.model import MixturesModel, ellipse, preset, principal_axes
from app.tabs.mixtures.view import PAGES, MixturesView
from engine.artifacts.refs import ArtifactRef
from engine.runs.events import Failed
from engine.studies.mixture.config import BuiltinTable, FileTable, FitConfig, MixtureConfig, RunTable
from tests.app.tabs.mixtures_runs import Runs, made, pipeline


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    return pipeline(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def model(readers):
    found = MixturesModel()
    found.show({stage: reader.id for stage, reader in readers.items()})
    for stage, reader in readers.items():
        found.read(stage, reader)
    return found


@pytest.fixture
def view(readers, tmp_path, qtbot):
    runs = Runs(readers, tmp_path)
    found = MixturesView(Services(runs))
    qtbot.addWidget(found)
    found.resize(1100, 600)
    found.show()
    yield found
    found.close_tab()


@pytest.fixture
def filled(view, readers):
    view.show_runs({stage: reader.id for stage, reader in readers.items()})
    return view


# The model -----------------------------------------------------------------------------------------------------------
def test_the_picture_is_the_sample_along_its_axes(model, readers):
    fitted = readers["fit"].outputs["mixture"]
    model.axes = ("petal length (cm)", "sepal width (cm)")
    picture = model.picture()
    np.testing.assert_array_equal(picture.x, fitted.x[:, 2])
    np.testing.assert_array_equal(picture.y, fitted.x[:, 1])
    np.testing.assert_array_equal(picture.memberships, fitted.memberships)
    inner, outer = picture.ellipses[0]
    mean = fitted.means[0][[2, 1]]
    np.testing.assert_allclose(inner[:-1].mean(axis=0), mean, atol=1e-9)
    inverse = np.linalg.inv(fitted.covariances[0][np.ix_([2, 1], [2, 1])])
    distance = np.sqrt(np.einsum("pi,ij,pj->p", outer - mean, inverse, outer - mean))
    np.testing.assert_allclose(distance, 2, rtol=1e-6)


def test_combinations_come_first_where_columns_are_many(model):
    assert model.axis_names()[:4] == ["discriminant 1", "discriminant 2", "principal 1", "principal 2"]
    assert model.axes == ("discriminant 1", "discriminant 2")
    assert np.isfinite(model.picture().x).all()


def test_another_solution_is_shown_with_its_own_memberships(model, readers):
    fitted = readers["fit"].outputs["mixture"]
    assert len(fitted.solution_weights) > 1
    model.solution = 1
    np.testing.assert_array_equal(model.picture().memberships, fitted.solution_memberships[1])
    assert len(model.picture().ellipses) == (fitted.solution_weights[1] > 0).sum()


def test_principal_axes_are_those_of_standardised_columns():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3)) @ np.diag([100, 1, 0.01])
    rows[:, 1] += rows[:, 0] / 50
    rows[5, 2] = np.nan
    axes = principal_axes(rows)
    scores = np.nan_to_num(rows - np.nanmean(rows, axis=0)) @ axes
    assert scores[:, 0].var() == pytest.approx(
        np.linalg.eigvalsh(np.corrcoef(rows[np.arange(200) != 5].T))[-1], rel=0.1
    )
    assert abs(np.corrcoef(scores.T)[0, 1]) < 1e-6


def test_an_ellipse_of_the_unit_matrix_is_a_circle():
    curve = ellipse(np.array([1.0, 2.0]), np.eye(2), 3.0)
    np.testing.assert_allclose(np.hypot(*(curve - [1, 2]).T), 3)
    np.testing.assert_allclose(curve[0], curve[-1])


def test_numbers_come_in_order_and_counts_are_whole(model):
    numbers = model.numbers
    ids = [number.measure.id for number in numbers]
    assert ids.index("mixture_components") < ids.index("ari") < ids.index("jaccard") < ids.index("mixture_rows")
    by_id = {number.measure.id: number for number in numbers}
    assert by_id["mixture_rows"].value == 150
    assert isinstance(by_id["mixture_rows"].value, int)
    fit = {measure.id: measure.value for measure in model.readers["fit"].measures}
    assert by_id["mixture_bic"].value == fit["mixture_bic"]
    assert [number.dims for number in numbers if number.measure.id == "jaccard"][2] == (("cluster", "3"),)


def test_confusion_counts_every_row(model):
    classes, table = model.confusion()
    assert classes == ["setosa", "versicolor", "virginica"]
    assert table.sum(axis=1).tolist() == [50, 50, 50]
    assert table.max(axis=0).sum() > 140


def test_a_choice_without_its_fit_has_its_own_numbers(readers):
    model = MixturesModel()
    model.show({"select": "s"})
    model.read("select", readers["select"])
    assert {number.measure.id for number in model.numbers} >= {"mixture_bic", "mixture_icl"}
    assert model.picture() is None
    assert model.confusion() is None


def test_one_column_is_drawn_against_the_row(tmp_path):
    path = tmp_path / "one.csv"
    path.write_text("v\n" + "\n".join(str(v) for v in [*np.arange(20.0) / 7, *(9 + np.arange(20.0) / 9)]))
    reader = made(FitConfig(data=FileTable(path=str(path)), components=2, starts=3), "f", tmp_path)
    model = MixturesModel()
    model.show({"fit": "f"})
    model.read("fit", reader)
    assert model.axes == ("v", "row")
    assert model.picture().y.tolist() == list(range(40))
    assert model.picture().ellipses == []


def test_the_python_repeats_the_setup(view):
    view.model.config = MixtureConfig(data=BuiltinTable(name="wine"))
    known = {}
    exec(view.python().split("runs = Runs")[0], known)
    assert known["config"] == view.model.config


def test_runs_are_named_after_their_table(model):
    model.config = preset("quick").model_copy(update={"data": FileTable(path="/x/rivers.csv")})
    assert model.run_name() == "Clusters of rivers.csv"


# Colours -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("colour", ["#000000", "#ffffff", "#4c78d0", "#cf781c"])
def test_oklab_there_and_back(colour):
    assert from_oklab(to_oklab(colour)) == colour


def test_oklab_has_known_values():
    np.testing.assert_allclose(to_oklab("#ffffff"), [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(to_oklab("#ff0000"), [0.628, 0.225, 0.126], atol=2e-3)


def test_blends_lie_between():
    assert blend("#4c78d0", "#cf781c", 0.0) == "#4c78d0"
    assert blend("#4c78d0", "#cf781c", 1.0) == "#cf781c"
    middle = to_oklab(blend("#4c78d0", "#cf781c"))
    np.testing.assert_allclose(middle, (to_oklab("#4c78d0") + to_oklab("#cf781c")) / 2, atol=5e-3)


# Files ---------------------------------------------------------------------------------------------------------------
def test_labels_are_saved_with_memberships(readers, tmp_path):
    fitted, stability = readers["fit"].outputs["mixture"], readers["stability"].outputs["stability"]
    path = tmp_path / "labels.csv"
    files.save(path, files.labels_csv(fitted, stability))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert len(rows) == 150
    assert [int(row["cluster"]) - 1 for row in rows] == fitted.labels().tolist()
    assert sum(float(rows[7][f"membership {k}"]) for k in (1, 2, 3)) == pytest.approx(1)
    assert sum(float(rows[7][f"out of bag {k}"]) for k in (1, 2, 3)) == pytest.approx(1)
    assert rows[0]["class"] == "setosa"


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(files.NotSaved, match=r"labels\.csv was not saved"):
        files.save(tmp_path / "nowhere" / "labels.csv", "x")


def test_parameters_are_saved_as_json(readers):
    fitted = readers["fit"].outputs["mixture"]
    found = json.loads(files.parameters_json(fitted))
    np.testing.assert_array_equal(found["means"], fitted.means)
    assert found["columns"][0] == "sepal length (cm)"
    assert found["family"] == "VVV"


def test_the_snippet_rebuilds_the_mixture_in_scikit_learn(readers):
    fitted = readers["fit"].outputs["mixture"]
    scope = {}
    exec(files.scikit_learn(fitted), scope)
    mixture = scope["mixture"]
    np.testing.assert_allclose(mixture.predict_proba(fitted.x), fitted.memberships, atol=1e-8)
    assert mixture.score(fitted.x) * 150 == pytest.approx(fitted.log_likelihood)


def test_scikit_learn_has_no_t_mixtures(tmp_path):
    reader = made(FitConfig(method="t", components=2, starts=3), "t", tmp_path)
    with pytest.raises(files.NoScikitLearn):
        files.scikit_learn(reader.outputs["mixture"])


# The view ------------------------------------------------------------------------------------------------------------
def test_the_tab_is_found():
    assert TAB in catalogue.tabs()
    assert TAB.group == "Data"
    assert ".parquet" in TAB.suffixes


def test_before_a_run_the_tab_says_what_it_is_for(view):
    assert view.middle.currentWidget() is view.empty
    assert view.pages() == [key for key, _ in PAGES]


def test_a_finished_run_fills_every_page(filled):
    for name in ("clusters", "choice", "maxima", "stability", "labels"):
        filled.show_page(name)
        shown = filled.page_widgets[name].shown()
        assert shown
        assert [card.title for card in shown if card.is_empty()] == []
    assert filled.scatter.count() == 150
    assert "finished" in filled.headline_text
    assert len(filled.numbers.model.numbers) > 15


def test_axes_and_colours_can_be_chosen(filled):
    filled.show_page("clusters")
    filled.across.setCurrentIndex(filled.across.findData("petal width (cm)"))
    filled.across.activated.emit(filled.across.currentIndex())
    assert filled.model.axes == ("petal width (cm)", "discriminant 2")
    assert filled.scatter.axes[0].label == "petal width (cm)"
    for colouring, names in (("classes", {"setosa", "versicolor", "virginica"}), ("doubt", {"0.0 to 0.02"})):
        filled.colouring.setCurrentIndex(filled.colouring.findData(colouring))
        filled.colouring.activated.emit(0)
        assert names <= {entry.name for entry in filled.scatter.entries()}
        assert filled.scatter.count() == 150


def test_rows_of_two_clusters_have_a_mixed_colour(filled):
    filled.show_page("clusters")
    names = [entry.name for entry in filled.scatter.entries()]
    assert names[:3] == ["cluster 1", "cluster 2", "cluster 3"]
    assert [name for name in names if name.startswith("between")]


def test_a_click_in_the_choice_fits_that_model(filled, readers):
    runs = filled.services.runs
    runs.next = {"mixture.fit": "f"}
    plot = filled.choice.plots["bic"]
    plot.picked.emit("VVV", 1)
    config, options = runs.started[-1]
    assert isinstance(config, FitConfig)
    assert (config.family, config.components, config.choice) == ("VVV", 2, None)
    assert config.data == BuiltinTable(name="iris")
    assert options["name"].endswith("VVV 2")
    assert dict(filled.model.runs) == {"select": "s", "fit": "f"}
    assert filled.page_bar.current() == "clusters"
    assert filled.model.stability is None


def test_starts_have_the_colour_of_the_maximum_that_they_ended_in(filled, readers):
    fitted = readers["fit"].outputs["mixture"]
    reached = np.isin(fitted.member, fitted.member[fitted.finished])
    assert filled.maxima.starts.count() == filled.maxima.map.count() == len(fitted.member)
    assert len(filled.maxima._members["best"]) == (fitted.member == 0).sum()
    assert len(filled.maxima._members.get("left the race", [])) == (~reached).sum()


def test_a_click_on_a_start_shows_its_solution(filled):
    filled.show_page("maxima")
    name = next(name for name, members in filled.maxima._members.items() if members[0] == 1)
    filled.maxima.starts.picked.emit(name, 0)
    assert filled.model.solution == 1
    assert filled.page_bar.current() == "clusters"


def test_a_run_of_the_list_is_opened_with_what_it_builds_on(view):
    assert view.open_run("b")
    assert dict(view.model.runs) == {"select": "s", "fit": "f", "stability": "b"}
    assert view.page_bar.current() == "stability"
    assert view.open_run("s")
    assert dict(view.model.runs) == {"select": "s"}
    assert view.model.mixture is None
    assert view.scatter.count() == 0


def test_a_run_of_another_study_is_not_opened(view, readers):
    view.services.runs.watches["s"].reader.task, before = "training.train", "mixture.select"
    try:
        assert not view.open_run("s")
    finally:
        view.services.runs.watches["s"].reader.task = before


def test_a_failed_fit_says_why_where_it_would_be(view, readers, tmp_path):
    reader = readers["fit"]
    reader.state, reader.error, outputs = "failed", Failed(error="X", what="too few rows"), reader.outputs
    reader.outputs = {}
    try:
        view.show_runs({"fit": "f"})
        assert view.scatter_card.is_empty()
        assert "too few rows" in view.scatter_card._sentence.text()
    finally:
        reader.state, reader.error, reader.outputs = "finished", None, outputs


def test_the_example_starts_the_preset(view):
    view.services.runs.next = {}
    view.example("smoke")
    config, options = view.services.runs.started[-1]
    assert config == preset("smoke")
    assert options["name"] == "Clusters of iris"


def test_a_dropped_file_becomes_the_table_and_is_looked_at(view, tmp_path, qtbot):
    path = tmp_path / "plants.csv"
    path.write_text("a;b;kind\n1,5;2;x\n2,5;3;y\n;4;y\n7,1;9;x\n", encoding="utf-8")
    assert view.open_files([path])
    assert view.setup.form.value().data == FileTable(path=str(path))
    assert view.page_bar.current() == "table"
    listing = view.table.listing
    qtbot.waitUntil(lambda: listing.table.rowCount() == 3, timeout=30_000)
    assert listing.chosen() == ["a", "b"]
    assert "kind holds text" in listing.line.text()
    qtbot.waitUntil(lambda: not view.table.scree_card.is_empty(), timeout=30_000)
    listing.findChildren(QCheckBox)[0].click()
    assert view.setup.form.value().data.columns == ("b",)
    qtbot.waitUntil(lambda: listing.chosen() == ["b"], timeout=30_000)


def test_a_table_that_cannot_be_read_is_told(view, tmp_path, qtbot):
    view.open_files([tmp_path / "gone.csv"])
    card = view.table.columns_card
    qtbot.waitUntil(lambda: "There is no table" in card._sentence.text(), timeout=30_000)
    assert card.is_empty()


def test_a_table_of_another_run_becomes_the_data(view):
    ref = ArtifactRef(run="0", name="samples", kind="table")
    assert view.open_artifact(ref)
    assert view.model.config.data == RunTable(table=ref)
    assert not view.open_artifact(ArtifactRef(run="0", name="plane", kind="plane"))


def test_what_cannot_run_says_why(view):
    base = preset("quick")
    nothing = base.model_copy(update={"select": None, "fit": None, "stability": None})
    assert "switched on" in view._check(nothing)
    assert "table" in view._check(base.model_copy(update={"data": RunTable()}))
    assert "resampled" in view._check(base.model_copy(update={"fit": FitConfig(method="t")}))
    assert view._check(base) == ""


def test_python_for_scikit_learn_goes_to_the_clipboard(filled):
    filled.copy_scikit_learn()
    assert "GaussianMixture(3" in QGuiApplication.clipboard().text()


def test_files_that_cannot_be_written_are_told(filled, tmp_path):
    told = []
    filled.failed.connect(told.append)
    filled.save(tmp_path / "nowhere" / "x.csv", "1")
    assert isinstance(told[0], files.NotSaved)
