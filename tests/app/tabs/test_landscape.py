"""The Landscape tab on real finished runs: its pages, its cursor with the real session, its choices, its troubles."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent

from app.shell.runs import RunsService
from app.shell.theme import theme
from app.tabs.base import Services
from app.tabs.landscape.model import preset
from app.tabs.landscape.view import LandscapeView
from engine.artifacts.refs import ArtifactRef
from engine.errors import EngineError
from engine.runs import failures, folder
from engine.runs.events import EventLog
from engine.runs.library import Runs
from engine.runs.processes import this_process
from engine.studies.landscape.config import HessianConfig


class Broken(EngineError):
    """Raised by nobody."""

    what = "It is {how}."


@pytest.fixture
def make(qtbot):
    """``make(root)``: the tab on a runs folder, without a window around it."""
    made = []

    def build(root, show=True):
        service = RunsService(root)
        view = LandscapeView(Services(service))
        made.append((view, service))
        qtbot.addWidget(view)
        view.resize(1180, 640)
        if show:
            view.show()
        return view

    yield build
    for view, service in made:
        view.close_tab()
        service.close()


@pytest.fixture
def view(make, finished):
    """The tab with all stages open, not on the screen, so that no surface is drawn."""
    root, stages = finished
    found = make(root, show=False)
    assert found.open_run(stages["surface"])
    return found


def test_saved_numbers_say_which_runs_they_are_of(view, tmp_path):
    view.cards.plane_card.save_to(tmp_path / "plane.csv")
    notes = [line for line in (tmp_path / "plane.csv").read_text().splitlines() if line.startswith("# run: ")]
    assert [line.split("; ")[0].removeprefix("# run: ") for line in notes] == [
        reader.id for reader in view.model.readers.values()
    ]
    assert all("; task: " in line and "; seed: " in line and "; theodolite: " in line for line in notes)


def spot(view):
    return view.spot._text.text()


# Pages ---------------------------------------------------------------------------------------------------------------
def test_every_page_has_its_pictures(view):
    assert list(view.pages()) == ["plane", "hessian", "connect", "similarity", "network"]
    for name, cards in {
        "hessian": ["density_card", "values_card", "layers_card"],
        "connect": ["loss_card", "error_card", "training_card", "plane_card"],
        "similarity": ["runs_card", "layers_card"],
    }.items():
        view.show_page(name)
        page = view.sheets.page_widgets[name]
        assert view.sheets.stack.currentWidget() is page and view.sheets.page_bar.current() == name
        assert [card for card in cards if getattr(page, card).is_empty()] == []
        assert view.sheets.field.isHidden() and view.sheets.log.isHidden()
    view.show_page("plane")
    assert not view.sheets.field.isHidden() and not view.cards.plane_card.is_empty()


def test_the_eigenvalues_say_whether_equal_ones_are_counted(view):
    view.show_page("hessian")
    page, report = view.sheets.page_widgets["hessian"], view.model.spectrum
    assert not report.copies and "equal ones once: Multiplicities is off" in page.values_card._note.text()
    view.model.spectrum = dataclasses.replace(report, copies=True)
    page.show_model(view.model)
    assert "equal ones as often as they occur" in page.values_card._note.text()


def test_a_page_opens_where_its_run_was_chosen(make, finished):
    root, stages = finished
    view = make(root, show=False)
    for stage, page in {"connect": "connect", "hessian": "hessian", "line": "plane", "train": "plane"}.items():
        assert view.open_run(stages[stage])
        assert view.sheets.page_bar.current() == page
        assert set(view.model.runs) == {*stages} - {"train2"}  # all that was measured on the first network
    assert view.open_run(stages["train2"]) and set(view.model.runs) >= {"train", "connect", "similarity"}
    assert view.model.runs["train"] == stages["train2"]


def test_what_was_shown_before_is_gone(view, finished):
    view.show_page("hessian")
    view.show_runs({"train": finished[1]["train2"]})
    assert view.cards.plane_card.is_empty() and view.sheets.reports["hessian"].density_card.is_empty()
    assert not view.cards.training_card.is_empty()


def test_the_headline_names_network_data_run_and_state(view, finished):
    words = view.headline_text.split("   ·   ")
    assert words[-1] == "finished" and words[-2] in finished[1].values() and len(words) == 4


def settled(widget, qtbot):
    """A picture of the widget once its redraws have come to rest."""
    pictures = [widget.grab().toImage()]

    def rests():
        pictures.append(widget.grab().toImage())
        return pictures[-1] == pictures[-2]

    qtbot.wait(100)
    qtbot.waitUntil(rests)
    return pictures[-1]


def test_themes_change_every_picture_and_back(view, qtbot):
    for name in view.pages()[:4]:
        view.show_page(name)
        page = view.sheets.page_widgets[name]
        light = settled(page, qtbot)
        theme().set_mode("dark")
        dark = settled(page, qtbot)
        theme().set_mode("light")
        assert settled(page, qtbot) == light
        middles = [picture.scaled(1, 1, mode=Qt.TransformationMode.SmoothTransformation) for picture in (light, dark)]
        assert middles[0].pixelColor(0, 0).lightness() > 128 > middles[1].pixelColor(0, 0).lightness()


# The cursor ----------------------------------------------------------------------------------------------------------
def test_the_panel_follows_the_cursor_through_the_session(view, qtbot):
    qtbot.waitUntil(lambda: "α, β = 0" in spot(view), timeout=60_000)  # the model itself, without being asked
    centre = view.model.plane.picture("train_loss")[2][3, 3]
    assert f"loss {centre:.3g}"[:8] in spot(view)
    assert "Largest losses (training):" in spot(view)
    alpha, beta, values = view.model.picture()
    for column in (0, 1, 2, 5):  # as fast as a mouse moves: only the last is answered in the end
        view.cards.heat.moved.emit(float(alpha[column]), float(beta[1]))
    qtbot.waitUntil(lambda: view.spot._spot["place"] == [alpha[5], beta[1]], timeout=20_000)
    assert view.spot._spot["loss"]["train"] == pytest.approx(values[1, 5], rel=1e-5)
    assert view.model.cursor == (alpha[5], beta[1])
    examples = view.spot.examples
    assert not examples.isHidden() and len(examples.accessibleDescription().split(";")) == 5
    losses = view.spot._spot["worst"]["losses"]
    assert (np.diff(losses) <= 0).all() and losses[0] > view.spot._spot["loss"]["train"]
    view.sheets.field.setCurrentIndex(view.sheets.field.findData("test_loss"))
    view.sheets.field.activated.emit(view.sheets.field.currentIndex())
    qtbot.waitUntil(lambda: "Largest losses (test):" in spot(view), timeout=20_000)
    view.show_runs({})
    assert "Drag the cross" in spot(view) and examples.isHidden()


# Choices -------------------------------------------------------------------------------------------------------------
def test_another_field_of_the_plane(view):
    assert "training loss" in view.cards.plane_card._note.text()
    assert view.sheets.log.isEnabled()
    view.sheets.field.setCurrentIndex(view.sheets.field.findData("test_accuracy"))
    view.sheets.field.activated.emit(view.sheets.field.currentIndex())
    assert "test accuracy" in view.cards.plane_card._note.text() and "7 × 7" in view.cards.plane_card._note.text()
    assert not view.sheets.log.isEnabled()
    assert view.cards.heat.value_axis.unit == "%"


def test_logarithms_can_be_switched_off(view, qtbot):
    qtbot.mouseClick(view.sheets.log, Qt.MouseButton.LeftButton)
    assert view.model.log is False
    qtbot.mouseClick(view.sheets.log, Qt.MouseButton.LeftButton)
    assert view.model.log is True


def test_the_estimate_is_that_of_the_engine(make, tmp_path, qtbot):
    from app.shell.text import about
    from engine.studies.training.cost import estimate

    view = make(tmp_path / "runs")
    view.shown()
    view.setup.form.set_value(preset("quick").model_copy(update={"surface": None}))
    qtbot.waitUntil(lambda: "on CPU" in view.setup.cost.text(), timeout=60_000)
    seconds = estimate(preset("quick").train).seconds
    qtbot.waitUntil(lambda: view.setup.cost.text().lower().startswith(about(seconds).lower()), timeout=20_000)


def test_enter_in_a_field_does_not_run(make, tmp_path, qtbot):
    view = make(tmp_path / "runs")
    field = view.setup.form.editor("train.epochs")
    for kind in (QKeyEvent.Type.KeyPress, QKeyEvent.Type.KeyRelease):
        view.setup.form.event(QKeyEvent(kind, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier))
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert view.services.runs.library.list() == []


# Troubles ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def copied(finished, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(finished[0], root)
    return root, dict(finished[1])


def broken(root, train, **more):
    """A Hessian run on the network ``train`` that failed."""
    runs = Runs(root)
    id = runs.create(HessianConfig(model=ArtifactRef(run=train, name="model", kind="model")), **more)
    log = EventLog(root / id / folder.EVENTS)
    log.append(failures.event(Broken(how="broken")), sync=True)
    log.close()
    runs.close()
    return id


def test_a_later_stage_that_fails_leaves_the_plane_in_sight(make, copied):
    root, stages = copied
    stages["hessian"] = broken(root, stages["train"], name="Spectrum of mine")
    view = make(root, show=False)
    told = []
    view.failed.connect(told.append)
    view.show_runs(stages)
    assert not view.cards.plane_card.is_empty()
    assert [str(error) for error in told] == ["Spectrum of mine: It is broken."]
    view._read("hessian", stages["hessian"])
    assert len(told) == 1 and view.headline_text.endswith("failed")


def test_without_a_plane_the_reason_stands_in_its_place(make, copied):
    root, stages = copied
    view = make(root, show=False)
    view.show_runs({"train": stages["train"], "hessian": broken(root, stages["train"])})
    assert view.cards.plane_card._sentence.text() == "It is broken."


def test_a_lost_run_says_what_is_known(make, copied):
    root, _ = copied
    runs = Runs(root)
    id = runs.create(preset("smoke").train)
    gone = this_process().model_copy(update={"pid": 2**22 - 7})
    launch = folder.Launch(
        attempt=1, executor="local", slot="cpu:0", device="cpu", threads=1, launcher=gone, process=gone, t=0.0
    )  # fmt: skip
    folder.write_launch(root / id, launch)
    runs.close()
    view = make(root, show=False)
    view.show_runs({"train": id})
    assert view.headline_text.endswith("lost")
    assert "Its process ended by itself without a result" in view.cards.plane_card._sentence.text()
