"""The Mixtures tab without its window: what the model holds, pictures, colours, the tree of maxima, card and files."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel

from app.tabs.mixtures import files, model_card
from app.tabs.mixtures.colours import PALETTE, blend, blended, from_oklab, to_oklab
from app.tabs.mixtures.model import MixturesModel, preset
from app.tabs.mixtures.model_page import ModelPage
from app.tabs.mixtures.picture import POINTS, axis_names, density, discriminating, ellipse, picture, principal_axes
from app.tabs.mixtures.tree import disconnectivity
from engine.runs.events import Warned
from engine.studies.mixture.config import FileTable, FitConfig, RatioConfig, StabilityConfig
from tests.app.tabs.mixtures_runs import made


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


def test_runs_are_named_after_their_table(model):
    model.config = preset("quick").model_copy(update={"data": FileTable(path="/x/rivers.csv")})
    assert model.run_name() == "Clusters of rivers.csv"


def test_all_rows_are_shown_of_the_best_and_the_sample_of_others(readers):
    fitted = readers["fit"].outputs["mixture"]
    few = dataclasses.replace(
        fitted, sample=fitted.sample[:40], solution_memberships=fitted.solution_memberships[:, :40]
    )
    axes = ("petal length (cm)", "petal width (cm)")
    assert len(picture(few, axes, 0).x) == 150
    assert len(picture(few, axes, 1).x) == 40
    assert len(picture(dataclasses.replace(few, complete=False), axes, 0).x) == 40


def repeated(fitted, times):
    """The mixture with every row so many times, as a table of more rows than are drawn."""
    parts = {name: np.repeat(getattr(fitted, name), times, axis=0) for name in ("x", "known", "memberships")}
    return dataclasses.replace(fitted, **parts, rows=np.arange(times * len(fitted.x)), count=0)


def test_very_many_rows_are_a_density_of_all(model, readers):
    times = POINTS // 150 + 1
    model.mixture = repeated(readers["fit"].outputs["mixture"], times)
    model.axes = ("petal length (cm)", "row")
    assert model.density_key() == (1, model.axes)
    assert len(model.picture().x) == len(model.mixture.sample)
    cloud = density(model.mixture, ("petal length (cm)", "discriminant 1"))
    assert len(cloud.x) == 150 * times
    np.testing.assert_array_equal(cloud.x, model.mixture.x[:, 2])
    np.testing.assert_allclose(cloud.y, model.mixture.x @ model.mixture.discriminant[:, 0])
    np.testing.assert_array_equal(cloud.labels, model.mixture.labels())
    model.solution = 1
    assert model.density_key() is None


def test_columns_that_tell_clusters_apart_come_first(readers):
    fitted = readers["fit"].outputs["mixture"]
    assert set(discriminating(fitted)[:2]) == {"petal length (cm)", "petal width (cm)"}
    assert sorted(discriminating(fitted)) == sorted(fitted.names)
    assert len(axis_names(fitted)) == 8


def test_resamples_and_tests_take_the_shown_fit(model):
    test = model.after_fit("ratio")
    assert isinstance(test, RatioConfig)
    assert (test.mixture.run, test.mixture.name) == ("f", "mixture")
    assert test.replicates == RatioConfig().replicates
    resamples = model.after_fit("stability")
    assert isinstance(resamples, StabilityConfig)
    assert resamples.replicates == model.config.stability.replicates
    model.mixture = dataclasses.replace(model.mixture, complete=False)
    assert model.after_fit("ratio") is None


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


def test_rows_are_blended_by_their_two_likeliest_clusters():
    z = np.array([[1, 0, 0], [0, 0.99, 0.01], [0.5, 0.5, 0], [0.25, 0, 0.75]])
    found = blended(z).tolist()
    assert found[:2] == list(PALETTE[:2])
    assert found[2] == blend(PALETTE[0], PALETTE[1])
    assert found[3] == blend(PALETTE[2], PALETTE[0], 0.25)
    assert blended(np.ones((2, 1))).tolist() == [PALETTE[0]] * 2


# The tree ------------------------------------------------------------------------------------------------------------
def test_maxima_join_at_the_highest_pass():
    levels = np.array([0.0, -1.0, -4.0])
    barrier = np.array([[0, 6, 1], [6, 0, 2], [1, 2, 0.0]])  # passes: 0-1 at -7, 0-2 at -5, 1-2 at -6
    tree = disconnectivity(levels, barrier)
    assert tree.passes.tolist() == [-5, -6]
    assert sorted(tree.place.tolist()) == [1, 2, 3]
    assert abs(tree.place[0] - tree.place[2]) == 1  # branches that join first stand side by side
    first = tree.lines[0]
    np.testing.assert_allclose(first[[0, 3]], [[tree.place[0], 0.0], [tree.place[2], -4.0]])
    assert tree.lines[1][1, 1] == tree.lines[1][2, 1] == -6
    assert tree.lines[-1][1, 1] < -6


def test_one_maximum_has_no_branches():
    tree = disconnectivity(np.array([3.0]), np.zeros((1, 1)))
    assert tree.place.tolist() == [1]
    assert tree.lines == []


# The card ------------------------------------------------------------------------------------------------------------
def test_the_card_describes_every_component(readers):
    fitted, stability = readers["fit"].outputs["mixture"], readers["stability"].outputs["stability"]
    parts = model_card.components(fitted, stability)
    assert sum(part.weight for part in parts) == pytest.approx(1)
    assert sum(part.rows for part in parts) == pytest.approx(150)
    values = np.linalg.eigvalsh(fitted.covariances[1])
    assert parts[1].smallest == pytest.approx(values[0])
    assert parts[1].condition == pytest.approx(values[-1] / values[0])
    np.testing.assert_allclose(parts[1].deviations ** 2, np.diag(fitted.covariances[1]))
    assert [bool(part.flags) for part in parts] == [verdict != "stable" for verdict in stability.verdicts]
    shown = model_card.shown_table(fitted, parts)
    assert [len(column) for column in shown.columns] == [len(shown.columns[0])] * 4
    full = model_card.full_table(fitted, parts)
    assert full.headers[3:5] == ["mean sepal length (cm)", "sd sepal length (cm)"]
    assert full.columns[3] == fitted.means[:, 0].tolist()


@pytest.mark.parametrize(
    ("mean", "deviation", "said"),
    [
        (0.70361, 1.0004, "0.7 ± 1.0"),
        (-2.8871, 0.7149, "\u22122.89 ± 0.71"),
        (-0.0001, 0.5, "0.00 ± 0.50"),
        (5123.4, 312.2, "5123 ± 312"),
        (1e-9, 2e-9, "1×10⁻⁹ ± 2×10⁻⁹"),
        (3.0, 0.0, "3 ± 0"),
    ],
)
def test_means_have_the_digits_that_their_deviations_allow(mean, deviation, said):
    assert model_card.plus_minus(mean, deviation) == said


def test_widths_of_t_components_are_called_scales(model, readers, qtbot):
    fitted = readers["fit"].outputs["mixture"]
    heavy = dataclasses.replace(fitted, dof=np.full(3, 4.0))
    assert model_card.full_table(heavy, model_card.components(heavy, None)).headers[4] == "scale sepal length (cm)"
    page = ModelPage()
    qtbot.addWidget(page)
    model.mixture = heavy
    page.show_model(model, {"mixture"})
    assert "centres ± scales" in page.components_card._note.text()
    model.mixture = fitted
    page.show_model(model, {"mixture"})
    assert "means ± standard deviations" in page.components_card._note.text()


def test_advice_that_is_gone_is_seen_no_longer(model, qtbot):
    page = ModelPage()
    qtbot.addWidget(page)
    page.show()
    page.advice.show_advice([model_card.Advice("first", "do this")])
    page.advice.show_advice([model_card.Advice("second")])
    seen = {label.text() for label in page.advice.findChildren(QLabel) if not label.isHidden()}
    assert "second" in seen and not seen & {"first", "do this"}


def test_the_card_flags_components_without_rows_or_without_depth(readers):
    fitted = readers["fit"].outputs["mixture"]
    flat = fitted.covariances.copy()
    flat[0] = np.diag([1, 1, 1, 1e-9])
    thin = dataclasses.replace(fitted, covariances=flat, weights=np.array([0.5, 0.48, 0.02]))
    flags = [part.flags for part in model_card.components(thin, None)]
    assert flags == [("nearly flat",), (), ("too few rows",)]


def test_warnings_come_with_what_to_do(model, readers):
    warned = Warned(template="Only {rows} rows a parameter: compare by out-of-bag likelihood.", params={"rows": "3.1"})
    readers["fit"].warnings.append(warned)
    try:
        found = {one.what: one.remedy for one in model_card.advice(model)}
    finally:
        readers["fit"].warnings.remove(warned)
    assert "fewer clusters" in found["Only 3.1 rows a parameter: compare by out-of-bag likelihood."]


def test_models_below_their_special_cases_are_told(model):
    alarms = [["", "EEE 1", "", ""], ["", "", "", ""]]
    model.choice = dataclasses.replace(model.choice, alarms=tuple(map(tuple, alarms)))
    said = [one.what for one in model_card.advice(model)]
    assert any(f"{model.choice.families[0]} 2 below EEE 1" in what for what in said)


def test_the_card_is_markdown(model):
    text = model_card.markdown(model)
    assert text.startswith("# VVV, 3 clusters")
    for part in (
        "## Components",
        "| petal width (cm) |",
        "## Beware",
        "## Made from",
        "| name | iris |",
        "| seed | 0 |",
    ):
        assert part in text
    assert "BIC: −580" in text


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
    found = json.loads(files.parameters_json(reader.outputs["mixture"]))
    assert len(found["degrees_of_freedom"]) == len(found["scale_matrices"]) == len(found["centres"]) == 2
    assert "covariances" not in found


def test_arrays_for_scikit_learn(readers, tmp_path):
    from sklearn.mixture import GaussianMixture

    fitted = readers["fit"].outputs["mixture"]
    files.save_npz(tmp_path / "m.npz", fitted)
    arrays = np.load(tmp_path / "m.npz", allow_pickle=False)
    mixture = GaussianMixture(3)
    for name in ("weights_", "means_", "covariances_", "precisions_cholesky_"):
        setattr(mixture, name, arrays[name])
    assert mixture.score(fitted.x) * 150 == pytest.approx(fitted.log_likelihood)
    assert arrays["columns"].tolist() == list(fitted.names)
    with pytest.raises(files.NotSaved):
        files.save_npz(tmp_path / "nowhere" / "m.npz", fitted)


def test_an_r_script_holds_the_mixture_and_reads_its_rows(readers, tmp_path):
    fitted = readers["fit"].outputs["mixture"]
    script = files.mclust_script(fitted, "my rows.csv")
    assert 'read.csv("my rows.csv", check.names = FALSE)' in script
    assert 'Mclust(y, G = 3, modelNames = "VVV")' in script
    assert ("A prior held" in script) == (fitted.prior == "auto" and 5 * fitted.degrees > 150)
    assert "axes of its own" not in script
    plain = files.mclust_script(dataclasses.replace(fitted, scaling="none", prior="off", family="EVE"), "my rows.csv")
    assert "scale <- c(1.0, 1.0, 1.0, 1.0)" in plain
    assert "A prior held" not in plain
    assert "axes of its own" in plain
    numbers = {
        line.split(" <- ")[0]: [float(part) for part in line.split("c(")[1].split(")")[0].split(",")]
        for line in script.splitlines() if line.startswith(("weights", "means", "covariances", "scale"))
    }  # fmt: skip
    assert numbers["weights"] == fitted.weights.tolist()
    np.testing.assert_allclose(numbers["scale"], fitted.x.std(axis=0) if fitted.scaling == "zscore" else np.ones(4))
    np.testing.assert_array_equal(np.reshape(numbers["means"], (4, 3), order="F"), fitted.means.T)
    np.testing.assert_array_equal(
        np.reshape(numbers["covariances"], (4, 4, 3), order="F"), fitted.covariances.transpose(1, 2, 0)
    )
    gap = dataclasses.replace(fitted, x=np.where(np.arange(4) == 1, np.nan, fitted.x[:2]))
    rows = list(csv.reader(io.StringIO(files.rows_csv(gap))))
    assert rows[0] == list(fitted.names)
    assert [row[1] for row in rows[1:]] == ["NA", "NA"]
    assert float(rows[1][0]) == fitted.x[0, 0]
    assert fitted.log_likelihood == pytest.approx(-180.186, abs=2e-3)  # as mclust 6.0.0 prints for the script
    with pytest.raises(files.NoMclust):
        files.mclust_script(dataclasses.replace(fitted, dof=np.array([3.0, 4.0, 5.0])), "x.csv")


def test_files_are_copied_whole(tmp_path):
    source = tmp_path / "table.csv"
    source.write_text("row,cluster\n1,2\n")
    files.copy(source, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == source.read_text()
    with pytest.raises(files.NotSaved):
        files.copy(tmp_path / "gone", tmp_path / "labels.csv")
