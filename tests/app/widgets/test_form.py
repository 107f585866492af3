import contextlib
from pathlib import Path
from typing import Any, Literal

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QLabel, QLineEdit, QPushButton, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from app.widgets.form import ConfigForm, FormInvalid
from app.widgets.form.editors import PathEditor, RefsEditor
from app.widgets.form.number_box import NumberBox
from engine.studies.contract import Spec, field
from tests.app.widgets.configs import MODEL, OTHER, Both, Cnn, Everything, Hessian, Mlp, Surface, Train, provider


def make(qtbot: QtBot, model: Any = Everything, **options: Any) -> ConfigForm:
    form = ConfigForm(model, provider=provider, **options)
    qtbot.addWidget(form)
    form.resize(260, 700)
    form.show()
    return form


@pytest.fixture
def form(qtbot: QtBot) -> ConfigForm:
    return make(qtbot)


def type_into(qtbot: QtBot, form: ConfigForm, path: str, text: str) -> None:
    editor = form.editor(path)
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClick(editor, Qt.Key.Key_Backspace)
    qtbot.keyClicks(editor, text)


def choose(qtbot: QtBot, form: ConfigForm, path: str, text: str) -> None:
    box = form.editor(path)
    assert isinstance(box, QComboBox)
    box.setCurrentIndex(box.findText(text))
    box.activated.emit(box.currentIndex())


def errors(form: ConfigForm) -> list[str]:
    return [
        label.text() for label in form.findChildren(QLabel) if label.property("role") == "error" and label.isVisible()
    ]


def test_fresh_form_gives_the_default_config(form: ConfigForm) -> None:
    assert form.value() == Everything()
    assert form.state() == (True, "")
    assert errors(form) == []


FULL = Everything(
    seed=3, model=MODEL, models=[OTHER], net=Cnn(channels=4), directions="random", grid=7, radius=1e-5, span=(0.5, 2.5),
    sharp=True, hessian=None, spare=Hessian(top=2), solver=Hessian(top=9, probes=1), name="x", tags=("p",),
    which=("train", "test"), file=Path("/tmp/a.csv"), limit=2.5, bits=16, flag=False, extra={"a": [1, None]},
)  # fmt: skip


def test_any_config_goes_in_and_comes_out(form: ConfigForm) -> None:
    form.set_value(FULL)
    assert form.value() == FULL
    form.set_value(Everything())
    assert form.value() == Everything()


def test_typed_values_reach_the_config(form: ConfigForm, qtbot: QtBot) -> None:
    form.unfold()
    type_into(qtbot, form, "grid", "11")
    type_into(qtbot, form, "radius", "2e-2")
    type_into(qtbot, form, "net.hidden", "32; 16, 8")
    type_into(qtbot, form, "tags", "one, two words")
    type_into(qtbot, form, "extra", '{"k": 1}')
    type_into(qtbot, form, "file", "/data/x.csv")
    choose(qtbot, form, "directions", "random")
    choose(qtbot, form, "bits", "32")
    qtbot.mouseClick(form.editor("sharp"), Qt.MouseButton.LeftButton, pos=QPoint(8, 10))
    found = form.value()
    assert (found.grid, found.radius, found.net, found.tags) == (
        11,
        0.02,
        Mlp(hidden=(32, 16, 8)),
        ("one", "two words"),
    )
    rest = (found.extra, found.file, found.directions, found.bits, found.sharp)
    assert rest == (
        {"k": 1},
        Path("/data/x.csv"),
        "random",
        32,
        True,
    )


def test_changed_is_told(form: ConfigForm, qtbot: QtBot) -> None:
    with qtbot.waitSignal(form.changed):
        type_into(qtbot, form, "grid", "9")
    with qtbot.waitSignal(form.changed):
        form.set_value(FULL)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("grid", "3", "Grid: Must be at least 5."),
        ("grid", "900", "Grid: Must be at most 201."),
        ("grid", "7.5", "Grid: Needs a whole number."),
        ("grid", "", "Grid: Needs a whole number."),
        ("radius", "0", "Radius: Must be greater than 0."),
        ("radius", "fast", "Radius: Needs a number, such as 0.1 or 1e-3."),
        ("span", "1", "Span: Needs 2 numbers."),
        ("span", "a, b", "Span: Needs numbers, such as 0.1, 0.2."),
        ("span", "2, 1", "The span must grow."),
        ("net.hidden", "64, big", "Hidden layers: Needs whole numbers, such as 64, 64."),
        ("name", "", "Name: Needs at least 1 characters."),
        (
            "extra",
            "{",
            "Extra: Is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1).",
        ),
    ],
)
def test_wrong_fields_say_why(form: ConfigForm, qtbot: QtBot, path: str, text: str, reason: str) -> None:
    form.unfold()
    with qtbot.waitSignal(form.valid, check_params_cb=lambda good, why: not good):
        type_into(qtbot, form, path, text)
    assert form.state() == (False, reason)
    assert errors(form) == [reason.partition(": ")[2] or reason]
    with pytest.raises(FormInvalid) as caught:
        form.value()
    assert reason in caught.value.sentence()
    if path != "span" or text != "2, 1":
        assert form.editor(path).property("invalid") is True
    form.undo_stack.undo()
    form.set_value(Everything())
    assert form.state() == (True, "")
    assert errors(form) == []
    assert form.editor(path).property("invalid") is not True


def test_valid_is_told_once(form: ConfigForm, qtbot: QtBot) -> None:
    heard: list[tuple[bool, str]] = []
    form.valid.connect(lambda good, why: heard.append((good, why)))
    type_into(qtbot, form, "grid", "6")
    type_into(qtbot, form, "grid", "7")
    assert [good for good, _ in heard] == [False, True, False, True]  # emptied, 6, emptied, 7
    assert form.state() == (True, "")


def test_union_shows_only_the_chosen_members_fields(form: ConfigForm, qtbot: QtBot) -> None:
    assert form.editor("net.hidden").isVisible() and not form.editor("net.channels").isVisible()
    choose(qtbot, form, "net", "Cnn")
    assert form.editor("net.channels").isVisible() and not form.editor("net.hidden").isVisible()
    assert form.value().net == Cnn()
    type_into(qtbot, form, "net.channels", "0")
    assert not form.state()[0]
    choose(qtbot, form, "net", "Perceptron")  # a wrong field that is not in use does no harm
    assert form.value().net == Mlp()


def test_tick_opens_a_group(form: ConfigForm, qtbot: QtBot) -> None:
    assert form.editor("hessian.top").isVisible()
    tick = form.editor("hessian")
    assert isinstance(tick, QCheckBox)
    qtbot.mouseClick(tick, Qt.MouseButton.LeftButton, pos=QPoint(8, 10))
    assert not form.editor("hessian.top").isVisible()
    assert form.value().hessian is None
    qtbot.mouseClick(tick, Qt.MouseButton.LeftButton, pos=QPoint(8, 10))
    assert form.value().hessian == Hessian()


def test_group_that_is_off_at_first_has_its_own_defaults(form: ConfigForm, qtbot: QtBot) -> None:
    form.unfold()
    qtbot.mouseClick(form.editor("spare"), Qt.MouseButton.LeftButton, pos=QPoint(8, 10))
    assert form.value().spare == Hessian()


def test_advanced_fields_are_folded(form: ConfigForm, qtbot: QtBot) -> None:
    assert form.editor("grid").isVisible() and not form.editor("seed").isVisible()
    fold = next(child for child in form.findChildren(QWidget) if child.property("fold"))
    qtbot.mouseClick(fold, Qt.MouseButton.LeftButton)
    assert form.editor("seed").isVisible()
    assert form.editor("solver.top").isVisible()
    qtbot.mouseClick(fold, Qt.MouseButton.LeftButton)
    assert not form.editor("seed").isVisible()


def test_simple_fields_come_in_the_given_order(qtbot: QtBot) -> None:
    form = make(qtbot, simple=["radius", "solver.top", "hessian", "net"])
    shown = ["radius", "solver.top", "hessian", "net", "net.hidden"]
    assert all(form.editor(path).isVisible() for path in shown)
    assert not form.editor("grid").isVisible() and not form.editor("hessian.top").isVisible()
    tops = [form.editor(path).mapTo(form, QPoint(0, 0)).y() for path in shown]
    assert tops == sorted(tops) and len(set(tops)) == 5
    form.unfold()
    assert form.editor("grid").isVisible() and form.editor("hessian.top").isVisible()
    assert any(label.text() == "Solver" for label in form.findChildren(QLabel) if label.isVisible())


def test_unknown_simple_field_is_refused(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    with pytest.raises(KeyError, match="no_such"):
        ConfigForm(Everything, simple=["no_such"], parent=window)


def test_hidden_fields_keep_their_defaults(qtbot: QtBot) -> None:
    form = make(qtbot, hide=["grid"])
    assert form.value().grid == 51
    with pytest.raises(KeyError):
        form.editor("grid")


def test_references(qtbot: QtBot) -> None:
    form = make(qtbot, needs=["model"])
    assert form.state() == (False, "Model: choose one first.")
    choose(qtbot, form, "model", "MLP, run 0431")
    assert form.state() == (True, "")
    assert form.value().model == OTHER
    form.unfold()
    box, _ = form.findChild(RefsEditor).boxes[0]
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert form.value().models == [MODEL]
    form.refresh_choices()
    assert form.value().models == [MODEL] and form.value().model == OTHER


def test_reference_that_is_gone_is_still_shown(qtbot: QtBot) -> None:
    form = ConfigForm(Everything)
    qtbot.addWidget(form)
    form.set_value(Everything(model=MODEL, models=[OTHER]))
    box = form.editor("model")
    assert isinstance(box, QComboBox) and box.currentText() == "0427/model.0001"
    assert form.value().models == [OTHER]


def test_presets_set_all_but_references(qtbot: QtBot) -> None:
    presets = {"smoke": Everything(grid=5), "quick": Everything(), "paper": Everything(grid=201, hessian=None)}
    form = make(qtbot, presets=presets)
    box = next(child for child in form.findChildren(QComboBox) if child.accessibleName() == "Preset")
    assert [box.itemText(i) for i in range(box.count())] == ["Quick", "Paper", "Custom"]
    assert form.preset() == "quick"
    choose(qtbot, form, "model", "MLP, run 0427")
    assert form.preset() == "quick"
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert form.value() == Everything(grid=201, hessian=None, model=MODEL)
    type_into(qtbot, form, "grid", "33")
    assert (form.preset(), box.currentText()) == ("custom", "Custom")
    form.undo_stack.undo()
    form.undo_stack.undo()
    assert form.value() == Everything(model=MODEL)
    assert box.currentText() == "Quick"


def test_undo_and_redo(form: ConfigForm, qtbot: QtBot) -> None:
    type_into(qtbot, form, "grid", "123")  # one command, though typed in four keys
    choose(qtbot, form, "directions", "random")
    form.set_value(FULL)
    assert form.undo_stack.count() == 3
    form.undo_stack.undo()
    assert form.value() == Everything(grid=123, directions="random")
    form.undo_stack.undo()
    form.undo_stack.undo()
    assert form.value() == Everything()
    for _ in range(3):
        form.undo_stack.redo()
    assert form.value() == FULL


@pytest.mark.parametrize(("path", "text"), [("limit", "abc"), ("grid", "wide"), ("span", "1, x"), ("extra", "{")])
def test_undo_takes_nonsense_away_and_redo_brings_it_back(form: ConfigForm, qtbot: QtBot, path: str, text: str) -> None:
    form.unfold()
    editor = form.editor(path)
    line = editor.lineEdit() if isinstance(editor, NumberBox) else editor
    before = line.text()
    type_into(qtbot, form, path, text)
    assert not form.state()[0]
    form.undo_stack.undo()
    assert (line.text(), form.state()) == (before, (True, ""))
    form.undo_stack.redo()
    assert line.text() == text and not form.state()[0]


def test_emptied_fields_do_not_fall_back_to_their_defaults(qtbot: QtBot) -> None:
    class Needy(Spec):
        file: Path = field(Path("/data/x.csv"), "File", "Where.")
        extra: dict[str, int] = field(dict, "Extra", "More.")

    form = make(qtbot, Needy)
    for path in ("file", "extra"):
        form.editor(path).clear()
        assert form.state()[1].endswith("Needs a value.")
        form.undo_stack.undo()
        assert form.state() == (True, "")


def test_check_may_forbid_a_valid_config(qtbot: QtBot) -> None:
    form = make(qtbot, check=lambda config: "Too large for this machine." if config.grid > 100 else "")
    type_into(qtbot, form, "grid", "150")
    assert form.state() == (False, "Too large for this machine.")


def test_pipeline_of_stages(qtbot: QtBot) -> None:
    form = make(qtbot, Both, simple=["train.epochs", "surface", "surface.side"])
    assert form.value() == Both()
    assert form.editor("train.epochs").isVisible() and not form.editor("surface.side").isVisible()
    qtbot.mouseClick(form.editor("surface"), Qt.MouseButton.LeftButton, pos=QPoint(8, 10))
    assert form.editor("surface.side").isVisible()
    type_into(qtbot, form, "surface.side", "7")
    assert form.value() == Both(surface=Surface(side=7))
    form.set_value(Both(train=Train(epochs=2)))
    assert form.value() == Both(train=Train(epochs=2))


def test_every_editor_has_a_name_help_and_a_place_in_the_tab_order(form: ConfigForm) -> None:
    form.unfold()
    focusable = [w for w in form.findChildren(QWidget) if w.isVisible() and w.focusPolicy() & Qt.FocusPolicy.TabFocus]
    inner = [w for w in focusable if not isinstance(w.parent(), (NumberBox, QComboBox))]
    assert len(inner) > 20
    assert all(w.accessibleName() or (isinstance(w, QCheckBox) and w.text()) or w.property("fold") for w in inner)
    limit = form.editor("limit")
    assert limit.accessibleName() == "Time limit (s)"
    assert "Stop then." in limit.toolTip() and limit.accessibleDescription() == "Stop then."
    labels = [label for label in form.findChildren(QLabel) if label.buddy() is not None]
    assert len({label.width() for label in labels if label.isVisible()}) == 1


def test_f1_shows_help_at_the_field(form: ConfigForm, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda at, text, *rest: shown.append(text))
    qtbot.keyClick(form.editor("radius"), Qt.Key.Key_F1)
    assert shown == ["<b>Radius   r</b><br>Reach."]


def test_file_can_be_dropped(form: ConfigForm, tmp_path: Path) -> None:
    form.unfold()
    editor = form.findChild(PathEditor)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "x.csv"))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    editor.dropEvent(event)
    assert form.value().file == tmp_path / "x.csv"


def test_wheel_over_an_unfocused_field_changes_nothing(form: ConfigForm, qtbot: QtBot) -> None:
    for path in ("grid", "directions"):
        editor = form.editor(path)
        form.setFocus()
        at = QPointF(5, 5)
        event = QWheelEvent(
            at, editor.mapToGlobal(at), QPoint(), QPoint(0, -120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(editor, event)
    assert form.value() == Everything()


def test_escape_hatch_for_unknown_paths(form: ConfigForm) -> None:
    with pytest.raises(KeyError):
        form.editor("nothing")


def test_building_a_form_costs_little_time(qtbot: QtBot) -> None:
    import time

    spent = []
    for _ in range(3):
        start = time.process_time()
        form = ConfigForm(Everything, provider=provider)
        spent.append(time.process_time() - start)
        with contextlib.suppress(RuntimeError):
            form.deleteLater()
    assert min(spent) < 0.15


def test_number_line_edit_is_inside(form: ConfigForm) -> None:
    assert isinstance(form.editor("grid"), NumberBox)
    assert isinstance(form.editor("name"), QLineEdit)


class Demanding(Spec):
    quick: bool = field(True, "Quick", "Not thorough.")
    steps: int = field(..., "Steps", "How many.")


class Wordy(Spec):
    which: tuple[Literal["a", "b"], ...] = field(
        ("a",), "Choices", "Many words.", labels={"a": "a choice that is told in many words indeed", "b": "b"}
    )


def test_long_words_of_choices_leave_a_form_its_width(qtbot: QtBot) -> None:
    form = make(qtbot, Wordy)
    assert form.minimumSizeHint().width() < 230
    first, _second = form.findChildren(QCheckBox)
    assert first.text().startswith("a choice") and first.width() > 200


def test_rows_are_made_when_they_are_first_to_be_seen(qtbot: QtBot) -> None:
    form = make(qtbot, simple=["net", "hessian"])
    boxes = len(form.findChildren(NumberBox))
    form.set_value(FULL)
    assert boxes == 0 and len(form.findChildren(NumberBox)) == 1, "the channels of the other network"
    assert form.value() == FULL and form.preset() == "custom"
    form.undo_stack.undo()
    assert form.value() == Everything()
    form.undo_stack.redo()
    form.unfold()
    assert len(form.findChildren(NumberBox)) > 5
    assert form.value() == FULL and form.undo_stack.count() == 1
    assert form.editor("grid").value() == 7


def test_unseen_fields_are_checked_as_well(qtbot: QtBot) -> None:
    form = make(qtbot, Demanding, simple=["quick"])
    assert form.findChild(NumberBox) is None
    assert form.state() == (False, "Steps: Needs a whole number.")
    form.unfold()
    assert errors(form) == ["Needs a whole number."]
    type_into(qtbot, form, "steps", "3")
    assert form.value() == Demanding(steps=3)


def test_tab_key_goes_down_the_form_whatever_was_made_when(qtbot: QtBot) -> None:
    form = make(qtbot, presets={"quick": Everything()})
    below = QPushButton(form)
    below.show()
    type_into(qtbot, form, "grid", "9")
    form.unfold()
    choose(qtbot, form, "net", "Cnn")
    seen: list[QWidget] = []
    widget = form.nextInFocusChain()
    while widget is not form:
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisible() and widget.focusProxy() is None:
            seen.append(widget)
        widget = widget.nextInFocusChain()
    assert len(seen) > 20 and seen[-1] is below
    places = [w.mapTo(form, QPoint(0, 0)) for w in seen[:-1]]
    assert [(p.y() // 12, p.x()) for p in places] == sorted((p.y() // 12, p.x()) for p in places)
