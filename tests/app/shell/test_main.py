"""The program's options, and where it may draw."""

import pytest

from app.main import NO_DISPLAY, has_display, main, parser


def test_options():
    given = parser().parse_args(["a.py", "b.csv", "--runs-dir", "/r", "--size", "1280x800", "--theme", "dark"])
    assert [path.name for path in given.files] == ["a.py", "b.csv"]
    assert (str(given.runs_dir), given.size, given.theme, given.self_test) == ("/r", (1280, 800), "dark", False)
    assert parser().parse_args([]).size is None


@pytest.mark.parametrize("size", ["", "x", "1280", "axb", "1x2x3"])
def test_a_bad_size_is_usage(size, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(["--size", size])
    assert ended.value.code == 2 and "--size" in capsys.readouterr().err


@pytest.mark.parametrize("variable", ["DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"])
def test_where_qt_may_draw(variable, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert not has_display()
    assert main([]) == 2 and capsys.readouterr().err.strip() == NO_DISPLAY
    monkeypatch.setenv(variable, "x")
    assert has_display()
