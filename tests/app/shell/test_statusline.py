"""The line at the bottom: what computes, what does not and why."""

import pytest

from app.shell import statusline
from app.shell.statusline import StatusLine
from engine.devices import CPU, Device

GPU = Device(name="cuda:0", title="A GPU", memory=80 << 30)


@pytest.fixture
def line(qtbot):
    found = StatusLine()
    qtbot.addWidget(found)
    yield found
    found.close_line()


@pytest.mark.parametrize(
    ("devices", "text", "missing"),
    [
        ([CPU], "Processor · no GPU found", ""),
        ([GPU, CPU], "A GPU · Processor", ""),
        (
            [GPU.model_copy(update={"usable": False, "reason": "its driver hung"}), CPU],
            "Processor · A GPU not usable: its driver hung",
            "",
        ),
        (
            [CPU.model_copy(update={"usable": False, "reason": "no torch"})],
            "Processor not usable: no torch · no GPU found",
            "Nothing can be computed here: no torch. Set up the engine as the help describes.",
        ),
        ([], "Looking for devices …", "Nothing can be computed here: no processor was found."),
    ],
)
def test_devices_in_words(line, monkeypatch, qtbot, devices, text, missing):
    assert line.text.text() == "Looking for devices …"
    monkeypatch.setattr(statusline, "discover", lambda: devices)
    with qtbot.waitSignal(line.known) as said:
        line.begin()
    assert line.text.text() == text
    assert said.args[0].startswith(missing) and bool(said.args[0]) is bool(missing)
    assert line.engine_missing == said.args[0]
