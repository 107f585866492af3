"""Tabs full of results follow a switch of the language: legends, axes, captions, tables, numbers and notes as well."""

import pytest

from app.shell.runs import RunsService
from app.shell.translation import use
from app.tabs.base import Services
from app.tabs.landscape.view import LandscapeView
from app.tabs.mixtures.view import MixturesView
from tests.app.speech import english, said
from tests.app.tabs.mixtures_runs import Runs

# What stays in Latin letters: names of networks, of columns, of runs and criteria, symbols, proper names
NAMES = (
    "(cm)",
    "MLP",
    "EEE",
    "EEI",
    "EII",
    "EVE",
    "VII",
    "VVI",
    "VVV",
    "BIC",
    "ICL",
    "AIC",
    "NEC",
    "log L",
    "L (",
    "ARI",
    "Scroll ",
    " · ",
)


@pytest.fixture
def landscape(qtbot, finished):
    root, stages = finished
    service = RunsService(root)
    view = LandscapeView(Services(service))
    qtbot.addWidget(view)
    assert view.open_run(stages["surface"])
    yield view
    view.close_tab()
    service.close()


@pytest.fixture
def mixtures(qtbot, readers, tmp_path):
    view = MixturesView(Services(Runs(readers, tmp_path)))
    qtbot.addWidget(view)
    view.show_runs({stage: reader.id for stage, reader in readers.items()})
    yield view
    view.close_tab()


@pytest.mark.parametrize("name", ["landscape", "mixtures"])
def test_results_follow_a_switch_and_back(name, request, missed):
    view = request.getfixturevalue(name)
    for page in view.pages():
        view.show_page(page)
    view.setup.form.unfold(True)
    before = said(view)
    use("zh_CN")
    texts = said(view)
    left = {text for text in english(texts) if " " in text and not any(word in text for word in NAMES)}
    assert not left, "these are English"
    assert len(texts) > 0.9 * len(before)
    assert not {text for text in missed if english({text}) and "{" not in text and not any(w in text for w in NAMES)}
    use("en")
    assert said(view) == before
