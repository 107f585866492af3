"""The 3D widget, turned by real mouse and key events, its pictures from a real session."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QSizeF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.shell import theme
from app.widgets import export
from app.widgets.card import Card
from app.widgets.scene3d import Hit, Scene3D
from app.widgets.scene3d.axes import ticks_of
from app.widgets.scene3d.camera import Camera
from app.widgets.scene3d.items import coordinates, for_service, summary
from app.widgets.scene3d.picture import Picture
from engine.sessions.client import Session
from engine.sessions.errors import SessionNotStarted

PATIENCE = 60_000
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


def bowl(n=21, **more):
    x = np.linspace(-1, 1, n)
    z = x[None, :] ** 2 + x[:, None] ** 2
    colors = np.full((n, n, 3), [40, 160, 120], np.uint8)
    return {"kind": "surface", "x": x, "y": x, "z": z, "colors": colors, "wire": 2, **more}


class Kept:
    """A session that outlives the widgets which take turns with it: importing Open3D takes half a second."""

    def __init__(self):
        self.session = Session.open("scene")
        self.call, self.cancel = self.session.call, self.session.cancel
        self.call("set_scene", {"items": []}).result(60)  # its process is there before the first test counts

    def close(self):
        pass


@pytest.fixture(scope="module")
def kept():
    kept = Kept()
    yield kept
    kept.session.close(5)


def shape(qtbot):
    widget = Scene3D("Surface")
    qtbot.addWidget(widget)
    widget.resize(300, 240)
    widget.show()
    return widget


@pytest.fixture
def scene(qtbot, kept, monkeypatch):
    monkeypatch.setattr("app.widgets.session_link.Session.open", lambda *_args, **_options: kept)
    widget = shape(qtbot)
    yield widget
    widget.close_session()


def shown(qtbot, widget, act):
    """Do something, and wait for the sharp picture that follows."""
    with qtbot.waitSignal(widget.shown, timeout=PATIENCE):
        act()


@pytest.fixture
def full(qtbot, scene):
    shown(qtbot, scene, lambda: scene.set_scene([bowl()], labels=("α", "β", "loss"), aspect=(1, 1, 0.6)))
    return scene


def drag(widget, start, end, button=LEFT, modifiers=NONE):
    """Press, move and release, with positions as floats."""
    for kind, at, pressed in (
        (QEvent.Type.MouseButtonPress, start, button),
        (QEvent.Type.MouseMove, end, Qt.MouseButton.NoButton),
        (QEvent.Type.MouseButtonRelease, end, button),
    ):
        held = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseButtonRelease else button
        event = QMouseEvent(kind, QPointF(*at), widget.mapToGlobal(QPointF(*at)), pressed, held, modifiers)
        QApplication.sendEvent(widget, event)


def wheel(widget, notches, modifiers=NONE):
    at = QPointF(150, 120)
    event = QWheelEvent(
        at, widget.mapToGlobal(at), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton, modifiers,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


def hover(widget, x, y):
    QTest.mouseMove(widget, QPoint(x, y))
    at = QPointF(x, y)
    none = Qt.MouseButton.NoButton
    QApplication.sendEvent(widget, QMouseEvent(QEvent.Type.MouseMove, at, widget.mapToGlobal(at), none, none, NONE))


def opaque(image: QImage):
    """How many pixels something was drawn into."""
    converted = image.convertToFormat(QImage.Format.Format_RGBA8888)
    pixels = np.frombuffer(converted.constBits(), np.uint8).reshape(image.height(), -1)[:, 3 : 4 * image.width() : 4]
    return int((pixels > 0).sum())


# ------------------------------------------------------------------------------------------------ camera
def test_a_drag_turns_as_if_the_scene_were_held():
    camera = Camera(yaw=0, pitch=10).turned(10, 20)
    assert camera.yaw < 0 and camera.pitch > 10
    assert -180 <= Camera(yaw=-179).turned(50, 0).yaw <= 180
    assert Camera().turned(0, 1e4).pitch == 89 and Camera().turned(0, -1e4).pitch == -89


def test_a_push_moves_the_target_in_the_pictures_plane():
    camera = Camera(yaw=0, pitch=0)  # on the x axis, y to the right, z up
    np.testing.assert_allclose(camera.panned(10, 0, 0.01).target, (0, -0.1, 0), atol=1e-12)
    np.testing.assert_allclose(camera.panned(0, 10, 0.01).target, (0, 0, 0.1), atol=1e-12)
    assert max(np.abs(camera.panned(1e6, 1e6, 1).target)) <= 1


def test_zoom_has_two_ends():
    assert Camera().zoomed(1e9).zoom == Camera().zoomed(1e9).zoomed(2).zoom < 1e3
    assert 0 < Camera().zoomed(1e-9).zoom < 1


# ------------------------------------------------------------------------------------------------ items
def test_items_in_the_apps_words_become_the_services():
    path = {"kind": "line", "points": np.zeros((3, 3)), "color": "#ff0000"}
    surface, line, mesh = for_service(
        [bowl(), path, {"kind": "mesh", "vertices": np.zeros((3, 3)), "triangles": np.array([[0, 1, 2]])}], theme.LIGHT
    )
    assert surface["wire"]["every"] == 2 and surface["wire"]["color"][:3] == [1, 1, 1]
    assert line["colors"] == [1, 0, 0] and line["positions"].shape == (3, 3) and 0 < line["radius"] < line["marker"]
    assert "points" not in line and "color" not in line and len(mesh["colors"]) == 3
    dark = for_service([bowl(wire=3)], theme.DARK)[0]
    assert dark["wire"]["every"] == 3 and max(dark["wire"]["color"][:3]) < 0.2
    assert "wire" not in for_service([bowl(wire=0)], theme.LIGHT)[0]
    own = {"every": 1, "color": [1, 0, 0, 1]}
    assert for_service([bowl(wire=own)], theme.LIGHT)[0]["wire"] == own


def test_the_scene_is_told_in_words_and_as_a_table(full):
    assert full.accessibleDescription() == "A surface of 21 × 21 points; loss goes from 0 to 2.00."
    assert full.accessibleName() == "Surface"
    told = full.table()
    assert list(told.headers) == ["α", "β", "loss"] and len(told) == 441
    x, y, z = next(told.rows())
    assert (x, y) == (-1, -1) and z == pytest.approx(2)
    points = {"kind": "points", "positions": np.zeros((5, 3)), "color": "#000000"}
    path = {"kind": "line", "points": np.zeros((4, 3))}
    mesh = {"kind": "mesh", "vertices": np.zeros((4, 3)), "triangles": np.zeros((2, 3), int)}
    assert summary([points, path, mesh], ("", "", "")) == "5 points. A path of 4 points. A mesh of 2 triangles."
    assert [len(coordinates(item)[0]) for item in (points, path, mesh)] == [5, 4, 4]


def test_ticks_are_round_and_inside():
    ticks = ticks_of([(-1, 1), (0, 0.37), (3, 3)])
    assert ticks["x"].labels == ["−1.0", "−0.5", "0.0", "0.5", "1.0"]
    assert all(0 <= place <= 0.37 for place in ticks["y"].places) and ticks["z"].places == []


# ------------------------------------------------------------------------------------------------ pictures
def test_a_scene_is_drawn_sharp_with_its_box(full):
    assert full.is_sharp()
    assert opaque(full._picture.image) > 5000
    assert full._picture.frame["axes"]["ticks"]["x"]["values"].tolist() == [-1, -0.5, 0, 0.5, 1]
    grabbed = full.grab().toImage()
    colours = {grabbed.pixelColor(x, y).name() for x in range(0, 300, 3) for y in range(0, 240, 3)}
    assert len(colours) > 50


def test_without_axes_the_scene_is_larger_and_bare(qtbot, full):
    before = opaque(full._picture.image)
    shown(qtbot, full, lambda: full.set_scene([bowl()], aspect=(1, 1, 0.6), with_axes=False))
    assert "axes" not in full._picture.frame and opaque(full._picture.image) > 1.2 * before


def test_a_coarse_picture_comes_first_in_a_large_widget(qtbot, scene):
    scene.resize(700, 500)
    quick = []
    scene._link.partial.connect(lambda _method, frame: quick.append(frame["quick"]))
    shown(qtbot, scene, lambda: scene.set_scene([bowl()], aspect=(1, 1, 0.6)))
    assert quick and all(quick) and scene.is_sharp()


def test_a_resize_asks_for_a_picture_of_the_new_size(qtbot, full):
    shown(qtbot, full, lambda: full.resize(400, 300))
    assert full._picture.size == QSizeF(400, 300) and full._picture.image.width() == 400


def test_a_hidden_widget_asks_for_nothing_until_it_is_shown(qtbot, full):
    full.hide()
    asked = []
    full._link.done.connect(lambda method, _value: asked.append(method))
    full.set_camera(full.camera.turned(30, 0))
    qtbot.waitUntil(lambda: not full._soon.isActive())
    assert asked == []
    shown(qtbot, full, full.show)
    assert asked == ["render"]


def test_clearing_and_showing_again(qtbot, full):
    full.clear()
    assert full._picture is None and full.summary() == "Nothing is shown yet."
    assert opaque(full.image(50, 50)) == 0
    shown(qtbot, full, lambda: full.set_scene([bowl()]))


def test_a_change_of_theme_draws_the_grid_lines_anew(qtbot, full, qapp):
    look = theme.theme()
    mode = look.mode
    before = full._picture.image.copy()
    try:
        shown(qtbot, full, lambda: look.set_mode("light" if theme.tokens().dark else "dark") or look.changed.emit())
        assert full._picture.image != before
    finally:
        look.set_mode(mode)


def test_the_session_may_leave_in_between(qtbot):
    widget = shape(qtbot)
    shown(qtbot, widget, lambda: widget.set_scene([bowl()]))
    session = widget._link._open[0].session
    session._connection.kill()  # as if it had left when idle: the next one holds no scene
    qtbot.waitUntil(lambda: session._connection is None, timeout=PATIENCE)
    shown(qtbot, widget, lambda: widget.set_camera(widget.camera.turned(40, 0)))
    assert widget.is_sharp()
    widget.close_session()
    assert not widget._placed
    shown(qtbot, widget, lambda: widget.set_scene([bowl()]))
    widget.close_session()


def test_a_session_that_cannot_start_is_told_in_the_picture(qtbot, monkeypatch):
    widget = shape(qtbot)
    monkeypatch.setattr("engine.sessions.client.session_command", lambda *_a, **_k: (["/no/such/interpreter"], {}))
    with qtbot.waitSignal(widget._link.failed, timeout=PATIENCE):
        widget.set_scene([bowl()])
    assert "could not be started" in widget.summary() == widget.accessibleDescription()
    assert isinstance(widget._error, SessionNotStarted)
    blank = widget.grab().toImage()
    colours = {blank.pixelColor(x, y).name() for x in range(300) for y in range(90, 150)}
    assert len(colours) > 2  # the sentence
    widget.close_session()


def test_shadings_differ(qtbot, full):
    smooth = full._picture.image.copy()
    shown(qtbot, full, lambda: full.set_shading("normals"))
    assert full._picture.image != smooth


# ------------------------------------------------------------------------------------------------ mouse and keys
def test_dragging_turns_pushing_shifts_and_home_restores(qtbot, full):
    first = full.camera
    shown(qtbot, full, lambda: drag(full, (100, 100), (140, 90)))
    turned = full.camera
    assert turned.yaw != first.yaw and turned.pitch < first.pitch and turned.target == first.target
    for button, modifiers in ((RIGHT, NONE), (Qt.MouseButton.MiddleButton, NONE), (LEFT, SHIFT)):
        before = full.camera
        shown(qtbot, full, lambda b=button, m=modifiers: drag(full, (100, 100), (110, 105), b, m))
        assert full.camera.target != before.target and full.camera.yaw == before.yaw
    shown(qtbot, full, lambda: QTest.keyClick(full, Qt.Key.Key_Home))
    assert full.camera == Camera()


def test_a_push_by_some_pixels_moves_the_picture_by_as_many(qtbot, full):
    def middle():
        return np.mean(full._picture.frame["axes"]["walls"].reshape(-1, 2), axis=0)

    before = middle()
    shown(qtbot, full, lambda: drag(full, (100, 100), (130, 112), RIGHT))
    np.testing.assert_allclose(middle() - before, [30, 12], rtol=0.1)


def test_double_click_restores_the_view(qtbot, full):
    shown(qtbot, full, lambda: drag(full, (100, 100), (150, 120)))
    shown(qtbot, full, lambda: QTest.mouseDClick(full, LEFT, NONE, QPoint(150, 120)))
    assert full.camera == Camera()


def test_the_wheel_zooms_only_with_focus_or_control(qtbot, full):
    full.clearFocus()
    assert not wheel(full, 1) and full.camera.zoom == 1
    shown(qtbot, full, lambda: wheel(full, 1, Qt.KeyboardModifier.ControlModifier))
    assert full.camera.zoom > 1


@pytest.mark.parametrize("key", [Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down])
def test_arrows_turn_and_push_and_plus_and_minus_zoom(qtbot, full, key):
    QTest.keyClick(full, key)
    turned = full.camera
    assert turned != Camera() and turned.target == Camera().target
    QTest.keyClick(full, key, SHIFT)
    assert full.camera.target != turned.target
    QTest.keyClick(full, Qt.Key.Key_Plus)
    assert full.camera.zoom == pytest.approx(1.25)
    QTest.keyClick(full, Qt.Key.Key_Minus)
    assert full.camera.zoom == pytest.approx(1)
    QTest.keyClick(full, Qt.Key.Key_Escape)  # left to whoever wants it


def test_hovering_tells_the_place_and_the_item(full):
    heard = []
    full.hovered.connect(heard.append)
    hover(full, 150, 130)
    hit = heard[-1]
    assert isinstance(hit, Hit) and hit.item == 0
    x, y, z = hit.position
    assert z == pytest.approx(x**2 + y**2, abs=0.02)
    assert 0 <= hit.primitive < 400
    before = full.grab().toImage()
    hover(full, 1, 1)
    assert heard[-1] is None
    assert full.grab().toImage() != before  # the box with the values is gone
    hover(full, 150, 130)
    QApplication.sendEvent(full, QEvent(QEvent.Type.Leave))
    assert heard[-1] is None


def test_turning_under_a_resting_pointer_forgets_the_place(full):
    hover(full, 150, 130)
    heard = []
    full.hovered.connect(heard.append)
    full.set_camera(full.camera.zoomed(1.1))
    assert heard == [None]


def test_many_moves_ask_for_few_pictures_and_the_last_is_shown(qtbot, full):
    asked = []
    call = full._link.call
    full._link.call = lambda *args, **kwargs: asked.append(call(*args, **kwargs)) or asked[-1]
    for step in range(200):
        drag(full, (100 + step % 7, 100), (101 + step % 7, 100))
    qtbot.waitUntil(lambda: bool(asked) and asked[-1].state == "done", timeout=PATIENCE)
    assert len(asked) <= 5  # moves of one turn of the event loop are one request
    assert asked[-1].params["camera"]["yaw"] == full.camera.yaw


# ------------------------------------------------------------------------------------------------ export
def test_an_image_has_the_size_asked_for_and_a_transparent_ground(full):
    image = full.image(200, 150, 2.0)
    assert (image.width(), image.height()) == (400, 300)
    assert 10_000 < opaque(image) < 400 * 300
    assert image.pixelColor(1, 1).alpha() == 0


def test_export_is_sharper_than_the_screen(full):
    sizes = []
    original = Picture.__init__

    def noting(self, frame, size):
        original(self, frame, size)
        sizes.append(self.image.width())

    Picture.__init__ = noting
    try:
        export.image(full, light=True, scale=3.0)
    finally:
        Picture.__init__ = original
    assert sizes == [900]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "csv"])
def test_a_card_saves_it_in_every_format(qtbot, scene, tmp_path, kind):
    card = Card("Surface")
    qtbot.addWidget(card)
    widget = scene
    card.set_body(widget)
    card.resize(320, 300)
    card.show()
    shown(qtbot, widget, lambda: widget.set_scene([bowl(5)], labels=("a", "b", "c")))
    target = tmp_path / f"surface.{kind}"
    with qtbot.waitSignal(card.saved, timeout=PATIENCE):
        card.save_to(target)
    assert target.stat().st_size > 300
    if kind == "csv":
        assert "a,b,c" in target.read_text() and len(target.read_text().splitlines()) >= 26


def test_when_the_session_does_not_answer_the_picture_on_screen_is_saved(full, monkeypatch):
    full.close_session()
    image = QImage(300, 240, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    full.draw(painter, QSizeF(300, 240), theme.LIGHT)
    painter.end()
    assert opaque(image) > 5000
