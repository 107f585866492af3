"""The Mixtures tab in the window: what it shows of finished runs, what clicks do, what it exports."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QInputDialog

from app.tabs import catalogue
from app.tabs.base import Services
from app.tabs.mixtures import TAB, exports, files
from app.tabs.mixtures.examples import EXAMPLES
from app.tabs.mixtures.maxima import Landings
from app.tabs.mixtures.model import preset
from app.tabs.mixtures.pages import PAGES, Pages
from app.tabs.mixtures.ratio import in_words
from app.tabs.mixtures.view import MixturesView
from app.widgets.plot import Axis
from engine.artifacts.refs import ArtifactRef
from engine.runs.events import Failed
from engine.studies.mixture.config import BuiltinTable, FileTable, FitConfig, MixtureConfig, RatioConfig, RunTable
from engine.studies.mixture.kinds import RatioReport
from tests.app.tabs.mixtures_runs import Runs


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


@pytest.fixture
def sheets(model, tmp_path, qtbot):
    """The pages without the form."""
    found = Pages(model, tmp_path)
    qtbot.addWidget(found)
    found.resize(800, 600)
    found.show_changed({"choice", "mixture", "stability", "numbers"})
    found.show()
    yield found
    found.close_pages()


def look_at(box, key):
    """Choose an entry of a combo box as a user does."""
    box.setCurrentIndex(box.findData(key))
    box.activated.emit(box.currentIndex())


def test_the_python_repeats_the_setup(view):
    view.model.config = MixtureConfig(data=BuiltinTable(name="wine"))
    known = {}
    exec(view.python().split("runs = Runs")[0], known)
    assert known["config"] == view.model.config


def test_the_tab_is_found():
    assert TAB in catalogue.tabs()
    assert TAB.group == "Data"
    assert ".parquet" in TAB.suffixes


def test_before_a_run_the_tab_says_what_it_is_for(view):
    assert view.middle.currentWidget() is view.empty
    assert view.pages() == [key for key, _ in PAGES]


def test_a_finished_run_fills_every_page(filled):
    for name in ("choice", "maxima", "stability", "labels", "model"):
        filled.show_page(name)
        shown = filled.sheets.page(name).shown()
        assert shown
        assert [card.title for card in shown if card.is_empty() and card.title != "Out of bag"] == []
    assert filled.sheets.clusters.scatter.count() == 150
    assert "finished" in filled.headline_text
    assert len(filled.numbers.model.numbers) > 15


def test_axes_and_colours_can_be_chosen(sheets):
    page = sheets.clusters
    look_at(page.across, "petal width (cm)")
    assert sheets.model.axes == ("petal width (cm)", "discriminant 2")
    assert page.scatter.axes[0].label == "petal width (cm)"
    for colouring, names in (("classes", {"setosa", "versicolor", "virginica"}), ("doubt", {"0.0 to 0.02"})):
        look_at(page.colouring, colouring)
        assert names <= {entry.name for entry in page.scatter.entries()}
        assert page.scatter.count() == 150


def test_rows_of_two_clusters_have_a_mixed_colour_and_no_name_in_the_legend(sheets):
    scatter = sheets.clusters.scatter
    assert [entry.name for entry in scatter.entries()] == ["cluster 1", "cluster 2", "cluster 3"]
    blends = [name for names in scatter.blends.values() for name in names]
    assert blends
    assert {name.strip() for name in blends} <= {"between 1 and 2", "between 1 and 3", "between 2 and 3"}
    owner = next(iter(scatter.blends))
    scatter.toggle(owner)
    hidden = {name for name, group in scatter._groups.items() if not group.visible}
    assert hidden == {owner, *scatter.blends[owner]}


def test_dots_grow_with_doubt_unless_that_is_switched_off(sheets):
    scatter = sheets.clusters.scatter
    text, on, switch = scatter.choices()[0]
    assert "uncertainty" in text
    assert on
    sizes = np.concatenate([group.sizes for group in scatter._groups.values()])
    doubt = 1 - np.concatenate([[float(label.split()[1].rstrip(","))] if label else [1.0]
                                for group in scatter._groups.values() for label in group.labels])  # fmt: skip
    assert np.corrcoef(sizes, doubt)[0, 1] > 0.99
    switch(False)
    assert all(group.sizes is None for group in scatter._groups.values())


def test_newer_versions_leave_the_view_where_it_is(sheets):
    page = sheets.clusters
    page.scatter.set_view(page.scatter.view().zoomed(0.5))
    before = page.scatter.view()
    page.show_model(sheets.model, {"mixture"})
    assert page.scatter.view() == before
    look_at(page.across, "petal width (cm)")
    assert page.scatter.view() != before


def test_very_many_rows_become_a_density_that_says_so(sheets, qtbot):
    page, found = sheets.clusters, sheets.model.mixture
    parts = {name: np.repeat(getattr(found, name), 200, axis=0) for name in ("x", "known", "memberships")}
    sheets.model.mixture = dataclasses.replace(found, **parts, rows=np.arange(30_000), count=1_000_000)
    page.show_model(sheets.model, {"mixture"})
    assert page.scatter.count() == len(found.sample)
    assert "a random 150 of 1" in page.card._note.text()
    qtbot.waitUntil(page.scatter.is_density, timeout=10_000)
    assert page.scatter.count() == 30_000
    assert "density of a random 30\u202f000 of 1\u202f000\u202f000 rows" in page.card._note.text()
    for colouring, names in (("doubt", "above 0.3"), ("classes", "setosa"), ("clusters", "cluster 1")):
        look_at(page.colouring, colouring)
        assert names in [entry.name for entry in page.scatter.entries()]
        assert page.scatter.is_density()
    page.show_solution(1)
    assert not page.scatter.is_density()
    assert "only theirs are kept" in page.card._note.text()


# Pairs ---------------------------------------------------------------------------------------------------------------
def test_pairs_show_the_columns_that_tell_most_and_a_click_enlarges(sheets, qtbot):
    page = sheets.clusters
    page.pairs_button.click()
    assert page.grid.shown() == [page.pairs_card]
    names = page.pair_columns()
    assert set(names[:2]) == {"petal length (cm)", "petal width (cm)"}
    assert len(page.pairs.panels()) == 6
    middle = page.pairs.panel(2, 1).center().toPoint()
    qtbot.mouseClick(page.pairs, Qt.MouseButton.LeftButton, pos=middle)
    assert sheets.model.axes == (names[1], names[2])
    assert page.grid.shown() == [page.card]
    assert page.scatter.axes[0].label == names[1]


def test_pairs_by_keyboard(sheets, qtbot):
    page = sheets.clusters
    page.show_pairs(True)
    page.pairs.setFocus()
    qtbot.keyClick(page.pairs, Qt.Key.Key_Down)
    qtbot.keyClick(page.pairs, Qt.Key.Key_Right)
    qtbot.keyClick(page.pairs, Qt.Key.Key_Right)  # there is none
    names = page.pair_columns()
    qtbot.keyClick(page.pairs, Qt.Key.Key_Return)
    assert sheets.model.axes == (names[1], names[2])


def test_columns_of_the_pairs_are_chosen(sheets):
    page = sheets.clusters
    page.show_pairs(True)
    page._fill_menu()
    action = next(one for one in page._menu.actions() if one.text() == "sepal width (cm)")
    assert action.isChecked()
    action.trigger()
    assert "sepal width (cm)" not in page.pair_columns()
    for name in list(page.pair_columns()):
        page.choose_column(name, False)
    assert len(page.pair_columns()) == 2


def test_pairs_are_painted_in_the_colours_of_the_clusters(sheets, tmp_path):
    page = sheets.clusters
    page.show_pairs(True)
    picture = page.pairs.grab().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(0, picture.width(), 2) for y in range(picture.height())}
    assert len(colours) > 10
    page.pairs_card.save_to(tmp_path / "pairs.csv")
    rows = list(csv.reader((tmp_path / "pairs.csv").read_text().splitlines()))
    heads = next(row for row in rows if len(row) == 4)
    assert heads == page.pair_columns()
    page.pairs_card.save_to(tmp_path / "pairs.svg")
    assert (tmp_path / "pairs.svg").read_bytes().count(b"<polyline") >= 6 * 3


# Choice, test, maxima ------------------------------------------------------------------------------------------------
def test_a_click_in_the_choice_fits_that_model(filled, readers):
    runs = filled.services.runs
    runs.next = {"mixture.fit": "f"}
    plot = filled.sheets.page("choice").plots["bic"]
    plot.picked.emit("VVV", 1)
    config, options = runs.started[-1]
    assert isinstance(config, FitConfig)
    assert (config.family, config.components, config.choice) == ("VVV", 2, None)
    assert config.data == BuiltinTable(name="iris")
    assert options["name"].endswith("VVV 2")
    assert dict(filled.model.runs) == {"select": "s", "fit": "f"}
    assert filled.sheets.bar.current() == "clusters"
    assert filled.model.stability is None


def test_the_best_model_is_marked(sheets, readers):
    choice = readers["select"].outputs["choice"]
    plot = sheets.page("choice").plots["bic"]
    best = plot._groups["best"]
    family, clusters = choice.best_bic
    row = choice.families.index(family)
    assert (best.x[0], best.y[0]) == (clusters, choice.bic[row][list(choice.components).index(clusters)])
    assert plot.axes[0].whole


def test_the_best_model_is_only_the_best_so_far_until_the_choice_is_over(sheets, monkeypatch):
    page = sheets.page("choice")
    note = page.cards_of["bic"]._note
    assert "larger is better; best VVV" in note.text()
    monkeypatch.setattr(sheets.model.readers["select"], "state", "running")
    page.show_model(sheets.model, {"numbers"})
    assert note.text().startswith("best so far VVV")


def test_the_dot_at_the_best_model_is_whole_in_a_low_card(sheets, readers):
    sheets.show_page("choice")
    plot = sheets.page("choice").plots["bic"]
    plot.setFixedSize(260, 150)
    plot.grab()
    plot.refresh()  # the area is known only once it was laid out
    plot.grab()
    found = readers["select"].outputs["choice"]
    family, clusters = found.best("bic")
    row = found.families.index(family), list(found.components).index(clusters)
    at = plot.point(clusters, float(np.asarray(found.bic)[row]))
    assert plot.area().top() + 7 <= at.y() <= plot.area().bottom() - 7


def test_a_model_is_chosen_from_a_list_too(filled):
    filled.services.runs.next = {"mixture.fit": "f"}
    choice = filled.sheets.page("choice")
    choice.ask_cell()
    dialog = choice.findChild(QInputDialog)
    assert dialog.comboBoxItems()[0].startswith("{} {}".format(*filled.model.choice.best_bic))
    dialog.setTextValue(dialog.comboBoxItems()[1])
    dialog.accept()
    config, _ = filled.services.runs.started[-1]
    assert (config.family, config.components) == choice.cells()[1][:2]


def test_one_cluster_more_is_tested_at_a_press(filled, readers):
    runs, panel = filled.services.runs, filled.sheets.page("choice").ratio
    runs.next = {"mixture.ratio": "b"}
    assert panel.button.isEnabled()
    panel.button.click()
    config, options = runs.started[-1]
    assert isinstance(config, RatioConfig)
    assert config.mixture.run == "f"
    assert "Likelihood-ratio test" in options["name"]
    assert filled.model.runs == {"select": "s", "fit": "f", "stability": "b", "ratio": "b"}


def test_saved_numbers_say_which_runs_they_are_of(filled, readers, tmp_path):
    card = filled.sheets.page("maxima").shown()[0]
    card.save_to(tmp_path / "clusters.csv")
    notes = (tmp_path / "clusters.csv").read_text()
    assert notes.count("# run: ") == len(readers) and f"# run: {readers['fit'].id}; task: mixture.fit; " in notes


def test_runs_are_called_after_their_own_table(filled):
    filled.model.config = MixtureConfig(data=FileTable(path="/somewhere/other.csv"))
    filled.services.runs.next = {"mixture.fit": "f"}
    filled._open_fit("VVI", 2)
    assert filled.services.runs.started[-1][1]["name"] == "Clusters of iris, VVI 2"
    assert filled.model.run_name() == "Clusters of other.csv"


def test_the_test_is_called_after_the_table_of_the_fit(filled):
    filled.model.config = MixtureConfig(data=FileTable(path="/somewhere/other.csv"))
    filled.services.runs.next = {"mixture.ratio": "b"}
    filled._follow_up("ratio")
    assert filled.services.runs.started[-1][1]["name"].startswith("Clusters of iris: ")


def test_without_a_fit_there_is_nothing_to_test(view):
    panel = view.sheets.page("choice").ratio
    assert not panel.button.isEnabled()
    assert "no finished fit" in panel.button.toolTip()


def test_when_the_runs_go_nothing_of_them_stays(filled):
    for name, _ in PAGES[:-1]:
        filled.show_page(name)
    filled.show_runs({})
    assert filled.numbers.model.rowCount() == 0
    assert not filled.sheets.page("choice").ratio.button.isEnabled()
    for name, _ in PAGES[1:-1]:
        assert [card.title for card in filled.sheets.page(name).shown() if not card.is_empty()] in (
            [],
            ["Likelihood ratio"],
        )
        assert {card._note.text() for card in filled.sheets.page(name).shown()} <= {"", "and what to do"}
    assert filled.sheets.clusters.scatter.count() == 0


def test_a_likelihood_ratio_is_told_in_words(sheets):
    panel = sheets.page("choice").ratio
    drawn = np.random.default_rng(0).gamma(3, 4, (2, 99))
    drawn[1, 50:] = np.nan
    report = RatioReport("VVV", np.array([2, 3]), np.array([140.0, 9.0]), drawn, np.array([0.01, 0.62]), 150)
    panel.show_report(report)
    assert "p = 0.010 (99 drawn tables): 3 clusters describe the table better than 2" in panel.words
    assert panel.plot.bounds()[1] >= 140
    panel.which.setCurrentIndex(1)
    panel.which.activated.emit(1)
    assert "p = 0.62 (50 drawn tables): no sign of 4 clusters rather than 3" in panel.words
    assert panel.words == sheets.page("choice").ratio_card._note.text()
    few = RatioReport("VVV", np.array([2]), np.array([208.0]), drawn[:1, :9], np.array([0.1]), 150)
    assert in_words(few, 0) == "p = 0.10 (9 drawn tables), the least possible: draw 19 or more for p ≤ 0.05."
    table = panel.table()
    assert table.headers == ["table", "2 against 3", "3 against 4"]
    assert [column[0] for column in table.columns] == ["this table", 140.0, 9.0]
    panel.show_report(None)
    assert panel.plot.is_empty()


def test_a_bar_and_a_branch_open_their_maximum(filled, readers, qtbot):
    filled.show_page("maxima")
    page = filled.sheets.page("maxima")
    assert len(page._ended) > 1
    page.share.picked.emit(1)
    assert filled.model.solution == page._ended[1]
    assert filled.sheets.clusters.solution.currentIndex() == page._ended[1]
    page.tree.picked.emit("", 0)
    assert filled.model.solution == 0
    page.share.repaint()
    qtbot.mouseClick(page.share.viewport(), Qt.MouseButton.LeftButton, pos=page.share.at(1.0, 1.0) + QPoint(3, 0))
    assert filled.sheets.bar.current() == "clusters"


def test_equal_ends_are_not_pulled_apart(qtbot):
    plot = Landings("Starts", x=Axis("a"), y=Axis("b"), least=(0.1, 1.0))
    qtbot.addWidget(plot)
    plot.set_points("best", [1.0, 1.0], [-1463.42370, -1463.42390])
    view = plot.view()
    assert view.x1 - view.x0 >= 0.1 and view.y1 - view.y0 >= 1 and view.y0 < -1463.4239 < view.y1
    plot.set_points("others", [0.2], [-1500.0])
    assert plot.view().x1 - plot.view().x0 < 1 and plot.view().y1 - plot.view().y0 > 36


def test_starts_have_the_colour_of_the_maximum_that_they_ended_in(sheets, readers):
    fitted = readers["fit"].outputs["mixture"]
    reached = np.isin(fitted.member, fitted.member[fitted.finished])
    assert sheets.page("maxima").starts.count() == sheets.page("maxima").map.count() == len(fitted.member)
    assert len(sheets.page("maxima")._members["best"]) == (fitted.member == 0).sum()
    assert len(sheets.page("maxima")._members.get("left the race", [])) == (~reached).sum()


def test_a_click_on_a_start_shows_its_solution(filled):
    filled.show_page("maxima")
    name = next(name for name, members in filled.sheets.page("maxima")._members.items() if members[0] == 1)
    filled.sheets.page("maxima").starts.picked.emit(name, 0)
    assert filled.model.solution == 1
    assert filled.sheets.bar.current() == "clusters"


def test_a_run_of_the_list_is_opened_with_what_it_builds_on(view):
    assert view.open_run("b")
    assert dict(view.model.runs) == {"select": "s", "fit": "f", "stability": "b"}
    assert view.sheets.bar.current() == "stability"
    assert view.open_run("s")
    assert dict(view.model.runs) == {"select": "s"}
    assert view.model.mixture is None
    assert view.sheets.clusters.scatter.count() == 0


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
        card = view.sheets.clusters.card
        assert card.is_empty()
        assert "too few rows" in card._sentence.text()
    finally:
        reader.state, reader.error, reader.outputs = "finished", None, outputs


def test_the_cause_is_told_wherever_a_picture_is_missing(view, readers):
    kept = {stage: (readers[stage].state, readers[stage].error, readers[stage].outputs) for stage in readers}
    for stage, reader in readers.items():
        what = "too few rows" if stage == "select" else "the run it builds on did not finish"
        reader.state, reader.error, reader.outputs = "failed", Failed(error="X", what=what), {}
    try:
        view.show_runs({stage: reader.id for stage, reader in readers.items()})
        for card in (view.sheets.clusters.card, view.sheets.page("stability").bars_card):
            assert "too few rows" in card._sentence.text()
    finally:
        for stage, found in kept.items():
            readers[stage].state, readers[stage].error, readers[stage].outputs = found


def test_a_file_named_from_here_is_found_by_runs_elsewhere(view, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    view.open_files([Path("here.csv")])
    assert view.model.config.data.path == str(tmp_path / "here.csv")


def test_counts_stand_in_the_confusion(filled):
    filled.show_page("labels")
    page = filled.sheets.page("labels")
    page.matrix.grab()
    _, table = filled.model.confusion()
    assert page.matrix.figures.texts() == [str(int(count)) for count in table.ravel()]


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
    assert view.sheets.bar.current() == "table"
    listing = view.sheets.page("table").listing
    qtbot.waitUntil(lambda: listing.table.rowCount() == 3, timeout=30_000)
    assert listing.chosen() == ["a", "b"]
    assert "kind holds text" in listing.line.text()
    qtbot.waitUntil(lambda: not view.sheets.page("table").scree_card.is_empty(), timeout=30_000)
    listing.findChildren(QCheckBox)[0].click()
    assert view.setup.form.value().data.columns == ("b",)
    qtbot.waitUntil(lambda: listing.chosen() == ["b"], timeout=30_000)


def test_known_classes_scaling_and_axes_are_chosen_at_the_table(view, tmp_path, qtbot):
    path = tmp_path / "plants.csv"
    path.write_text("a,b,c,kind\n" + "\n".join(f"{i % 7},{i * i % 11},{i % 5},{'xyz'[i % 3]}" for i in range(60)))
    view.open_files([path])
    table = view.sheets.page("table")
    qtbot.waitUntil(lambda: table.listing.label.count() == 5, timeout=30_000)
    look_at(table.listing.label, "kind")
    assert view.setup.form.value().data.label == "kind"
    look_at(table.listing.scaling, "none")
    assert view.setup.form.value().data.scaling == "none"
    qtbot.waitUntil(lambda: "text" not in table.listing.line.text(), timeout=30_000)
    assert table.listing.label.currentData() == "kind"
    qtbot.waitUntil(lambda: table.scree.handle_place() is not None, timeout=30_000)
    table.scree.handle_moved.emit(3.0)
    assert "q = 3 by your choice" in table.scree_card._note.text()
    table.scree.handle_dropped.emit(3.0)
    assert view.setup.form.value().fit.q == 3
    view.setup.form.undo_stack.undo()
    assert view.setup.form.value().fit.q is None


def test_of_a_large_file_it_is_told_that_a_part_was_looked_at(view):
    listing = view.sheets.page("table").listing
    column = {"name": "a", "kind": "number", "missing": 0, "low": 0.0, "high": 1.0, "different": 5, "used": True}
    facts = {"columns": [column], "notes": [], "rows": 10_000_000, "file_rows": 10_000_000, "sampled": 5000}
    listing.show_facts({**facts, "exact": False})
    assert listing.line.text() == "The file has about 10\u202f000\u202f000 rows; 5000 of them were looked at."
    listing.show_facts({**facts, "exact": True})
    assert "has 10" in listing.line.text()
    many = [{**column, "name": f"c{i}"} for i in range(320)]
    listing.show_facts({**facts, "columns": many})
    assert listing.table.rowCount() == 300
    assert "first 300 of 320" in listing.line.text()
    assert len(listing.chosen()) == 320


def test_a_table_that_cannot_be_read_is_told(view, tmp_path, qtbot):
    view.open_files([tmp_path / "gone.csv"])
    card = view.sheets.page("table").columns_card
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
    assert view._check(base.model_copy(update={"fit": FitConfig(method="t")})) == ""
    assert view._check(base) == ""


# Examples and exports ------------------------------------------------------------------------------------------------
def test_every_example_is_one_click(view):
    view.services.runs.next = {}
    for name in EXAMPLES:
        view.empty.buttons[name].click()
        config, options = view.services.runs.started[-1]
        assert config.data == BuiltinTable(name=name)
        assert view.setup.form.value() == config
        assert options["name"] == f"Clusters of {name.replace('_', ' ')}"


def test_examples_are_in_a_menu_too(view):
    view.services.runs.next = {}
    texts = [action.text() for action in view.examples._menu.actions()]
    assert texts[4].startswith("Old Faithful")
    view.examples._menu.actions()[4].trigger()
    assert view.services.runs.started[-1][0].data.name == "faithful"


def test_without_an_engine_nothing_can_be_started(view):
    view.set_engine_missing("no engine here")
    assert not any(button.isEnabled() for button in (view.empty.button, *view.empty.buttons.values()))
    view.set_engine_missing("")
    assert view.empty.button.isEnabled()


def test_changes_of_the_form_are_undone_and_made_again(view):
    view._edit_table({"scaling": "none"})
    assert view.setup.form.value().data.scaling == "none"
    view.undo()
    assert view.model.config.data.scaling == "zscore"
    view.redo()
    assert view.model.config.data.scaling == "none"


def test_every_control_of_the_pages_has_a_name_and_a_hint(filled):
    page = filled.sheets.clusters
    for control in (*page.boxes, page.columns_button, page.pairs_button, filled.exports.button, filled.examples):
        assert control.toolTip()
        assert control.accessibleName() or control.text()


def test_the_menu_offers_files_and_code(filled):
    filled.exports.fill()
    texts = [action.text() for action in filled.exports.menu.actions()]
    for word in ("labels", "JSON", "NPZ", "mclust", "Markdown", "scikit-learn"):
        assert any(word in text for text in texts), word


def test_python_for_scikit_learn_goes_to_the_clipboard(filled):
    filled.exports.copy_scikit_learn()
    assert "GaussianMixture(3" in QGuiApplication.clipboard().text()


def test_files_are_written_beside_the_window(filled, tmp_path, qtbot):
    path = tmp_path / "card.md"
    with qtbot.waitSignal(filled.exports.saved, timeout=5000):
        filled.exports.save(path, lambda path, found: files.save(path, files.parameters_json(found)))
    assert '"family": "VVV"' in path.read_text(encoding="utf-8")


def test_files_that_cannot_be_written_are_told(filled, tmp_path, qtbot):
    told = []
    filled.failed.connect(told.append)
    filled.exports.save(tmp_path / "nowhere" / "x.csv", lambda path, _found: files.save(path, "1"))
    qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert isinstance(told[0], files.NotSaved)


def test_labels_of_streamed_tables_are_the_runs_own(filled, readers, tmp_path, qtbot, monkeypatch):
    monkeypatch.setattr(readers["fit"], "folder", tmp_path)
    own = tmp_path / "artifacts" / "labels.0001" / "table.csv"
    own.parent.mkdir(parents=True)
    own.write_text("row,cluster\n1,3\n")
    monkeypatch.setitem(readers["fit"].outputs, "labels", {})
    filled.model.mixture = dataclasses.replace(filled.model.mixture, count=10_000_000)
    asked = {}
    monkeypatch.setattr(exports.Exports, "_ask", lambda self, name, write: asked.update({name: write}))
    filled.exports.ask_labels()
    with qtbot.waitSignal(filled.exports.saved, timeout=5000):
        filled.exports.save(tmp_path / "labels.csv", asked["labels.csv"])
    assert (tmp_path / "labels.csv").read_text() == own.read_text()
