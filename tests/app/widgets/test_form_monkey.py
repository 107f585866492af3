"""Whatever a person does to a form, it holds the config it shows, and undo finds the way back."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from app.shell.text import language
from app.shell.theme import theme
from app.widgets.form import ConfigForm, FormInvalid
from app.widgets.form.nodes import Group
from app.widgets.form.number_box import NumberBox
from app.widgets.form.shape import FieldSpec, Shape
from tests.app.widgets.configs import MODEL, OTHER, Cnn, Everything, Hessian, Mlp, provider

LINES = [
    "grid",
    "radius",
    "span",
    "name",
    "net.hidden",
    "net.channels",
    "hessian.top",
    "limit",
    "tags",
    "extra",
    "seed",
]
BOXES = ["directions", "net", "bits", "flag", "model"]
TICKS = ["sharp", "hessian", "spare"]
TEXTS = ["", "5", "51", "0", "-1", "1e-3", "2, 3", "3, 2", "abc", "{}", "64; 64", "∞", "1 000", "9" * 30]

typed = st.tuples(st.just("type"), st.sampled_from(LINES), st.sampled_from(TEXTS))
chosen = st.tuples(st.just("choose"), st.sampled_from(BOXES), st.integers(0, 3))
ticked = st.tuples(st.just("tick"), st.sampled_from(TICKS), st.booleans())
moved = st.tuples(st.sampled_from(["undo", "redo", "reset", "language", "theme", "choices"]), st.none(), st.none())

configs = st.builds(
    Everything,
    seed=st.integers(0, 10**12),
    model=st.sampled_from([None, MODEL, OTHER]),
    models=st.lists(st.sampled_from([MODEL, OTHER]), unique_by=str).map(lambda refs: sorted(refs, key=str)),
    net=st.one_of(
        st.builds(Mlp, hidden=st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple)),
        st.builds(Cnn, channels=st.integers(1, 99)),
    ),
    directions=st.sampled_from(["random", "filter"]),
    grid=st.integers(5, 201),
    radius=st.floats(1e-12, 1e12),
    span=st.tuples(st.floats(-1e6, -1e-6), st.floats(1e-6, 1e6)),
    sharp=st.booleans(),
    hessian=st.none() | st.builds(Hessian, top=st.integers(1, 100), probes=st.integers(1, 50)),
    spare=st.none() | st.builds(Hessian, top=st.integers(1, 100)),
    name=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8),
    which=st.sampled_from([(), ("train",), ("test",), ("train", "test")]),
    limit=st.none() | st.floats(1e-6, 1e6),
    bits=st.sampled_from([None, 16, 32]),
    flag=st.sampled_from([None, True, False]),
)


@pytest.fixture
def form(qtbot: QtBot) -> ConfigForm:
    made = ConfigForm(Everything, provider=provider, presets={"quick": Everything()})
    qtbot.addWidget(made)
    made.unfold()
    return made


def line(widget: QWidget) -> QLineEdit:
    return widget.lineEdit() if isinstance(widget, NumberBox) else widget  # type: ignore[return-value]


def act(form: ConfigForm, step: tuple[str, Any, Any]) -> None:
    what, path, value = step
    if what == "type":
        line(form.editor(path)).setText(value)
    elif what == "choose":
        box = form.editor(path)
        assert isinstance(box, QComboBox)
        box.setCurrentIndex(value % box.count())
        box.activated.emit(box.currentIndex())
    elif what == "tick":
        tick = form.editor(path)
        assert isinstance(tick, QCheckBox)
        tick.setChecked(value)
    elif what == "language":
        language().changed.emit()
    elif what == "theme":
        theme().changed.emit()
    elif what == "choices":
        form.refresh_choices()
    else:
        {"undo": form.undo_stack.undo, "redo": form.undo_stack.redo, "reset": lambda: form.set_value(Everything())}[
            what
        ]()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configs)
def test_every_config_survives_the_form(form: ConfigForm, config: Everything) -> None:
    form.set_value(config)
    assert form.value() == config
    form.undo_stack.undo()
    form.undo_stack.redo()
    assert form.value() == config


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configs)
def test_what_is_not_yet_made_holds_what_its_editor_will(form: ConfigForm, config: Everything) -> None:
    root = FieldSpec("", "", "", "", "", False, False, {}, None, Shape("group", models=(Everything,)))
    tree = Group("", root, Everything, (), lambda path: None, provider)
    tree.set_data(config)
    held = {node: (node.own(), node.problem()) for node in tree.walk() if node.edited}
    for node, told in held.items():
        editor = node.build()
        assert (node.own(), node.problem()) == told, node.path
        editor.deleteLater()
    assert Everything.model_validate(tree.data()) == config


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(typed, typed, chosen, ticked, moved), min_size=1, max_size=12))
def test_state_and_value_agree_after_anything(form: ConfigForm, steps: list[tuple[str, Any, Any]]) -> None:
    form.set_value(Everything())
    form.undo_stack.clear()
    for step in steps:
        act(form, step)
        good, reason = form.state()
        if good:
            assert reason == ""
            assert isinstance(form.value(), Everything)
        else:
            assert reason
            with pytest.raises(FormInvalid):
                form.value()
    while form.undo_stack.canUndo():
        form.undo_stack.undo()
    assert form.value() == Everything()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(typed, min_size=1, max_size=6))
def test_form_is_never_kinder_than_the_config(form: ConfigForm, steps: list[tuple[str, str, str]]) -> None:
    form.set_value(Everything())
    for step in steps:
        act(form, step)
    if form.state()[0]:
        try:
            Everything.model_validate(form.value().model_dump())
        except ValidationError:
            pytest.fail("the form let a wrong config through")
