"""The languages: what a catalogue answers, switching while the window is open, and where letters are missing."""

import pytest
from PySide6.QtCore import QCoreApplication, QTranslator
from PySide6.QtWidgets import QDialogButtonBox, QLineEdit

from app.main import parser
from app.shell import application, translation
from app.shell.errors import words
from app.shell.text import about, duration, number, phrase, tr
from app.shell.translation import LANGUAGES, Catalogue, NoFontForLanguage, closest, current, load, use
from app.widgets.form.problems import sentence
from app.widgets.notices import Notices
from engine.data.errors import BadOwnData
from engine.models.errors import UnreadableWeights
from engine.runs.failures import DiskFull
from engine.runs.library import OpenInputs
from tests.app.speech import english, said

CHINESE = Catalogue(
    {
        "Run": "运行",
        "a list": "列表",
        "Mixture": "混合模型",
        "Model": "模型",
        "It holds {0}.": "它含有{0}。",
        "It holds {0}, not {1}.": "它含有{0}，而不是{1}。",
    }
)


# Catalogues ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Run", "运行"),
        ("It holds a list, not b.c.", "它含有列表，而不是b.c。"),
        ("It holds 3 (a+b).", "它含有3 (a+b)。"),
        ("Mixture, Model", "混合模型, 模型"),
        ("Mixture, wine", ""),
        ("It held a list.", ""),
    ],
)
def test_phrases_are_found_by_their_words(text, answer):
    assert CHINESE.phrase(text) == answer


def test_ids_are_found_as_they_are_and_never_as_patterns():
    assert CHINESE.text("Run") == "运行"
    assert CHINESE.text("It holds a list.") == "" == CHINESE.text("run")


def test_the_catalogue_on_disk_is_read_once_and_whole():
    assert load("zh_CN") is load("zh_CN")
    assert {"Run", "Log-likelihood", "Clusters"} <= load("zh_CN").texts.keys()
    assert set(LANGUAGES) == {"en", *(path.name for path in translation.FOLDER.iterdir())}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (["zh-Hans-CN", "en"], "zh_CN"), (["zh-CN"], "zh_CN"), (["zh-SG"], "zh_CN"), (["zh"], "zh_CN"),
        (["zh-Hant-TW"], "en"), (["en-GB", "zh-CN"], "en"), (["fr"], "en"), (["C"], "en"), ([], "en"),
    ],
)  # fmt: skip
def test_the_system_is_followed_where_the_language_is_known(wanted, code):
    assert closest(wanted) == code


# Texts ---------------------------------------------------------------------------------------------------------------
def test_texts_with_values(missed):
    use("zh_CN")
    assert current() == "zh_CN"
    assert tr("about {time}", time="3 秒") == "约 3 秒" == about(3)
    assert tr("{count} runs are going.", count=3) == "有 3 个运行正在进行。"
    assert tr("wine") == "wine" and missed == {"wine"}
    assert (number(-1234567.0), number(True), duration(75)) == ("−1.235×10⁶", "是", "1 分 15 秒")


def test_errors_are_told_with_their_reasons(missed):
    use("zh_CN")
    told = words(UnreadableWeights(path="/tmp/a list.pt", reason="It holds dict, not named tensors."))
    assert told[0] == "无法将 /tmp/a list.pt 作为权重读取。" and told[1] == "它含有 dict，而不是命名的张量。"
    assert words(DiskFull(path="A file"))[1] == "无法写入 某个文件。"
    assert words(OpenInputs(title="Mixture", inputs="Model, Path"))[0] == "混合模型尚不能运行：未选择模型, 路径。"
    assert words(BadOwnData(got="a ragged list"))[0] == "模型文件的 data() 返回了长度不一的列表。"
    record = {"what": "{name} was not opened.", "why": "", "remedy": "", "params": {"name": "Training"}}
    assert words(record)[0] == "未打开 Training。"  # data are not words


def test_what_a_form_complains_of(missed):
    use("zh_CN")
    error = {
        "type": "value_error",
        "msg": "",
        "ctx": {"error": ValueError("must be odd, so that one point is the model itself")},
    }
    assert sentence(error) == "必须为奇数，使模型本身为其中一点。"
    assert sentence({"type": "greater_than", "msg": "", "ctx": {"gt": 0}}) == "必须大于 0。"


def test_qt_speaks_as_well(missed, qtbot):
    use("zh_CN")
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
    qtbot.addWidget(box)
    line = QLineEdit()
    qtbot.addWidget(line)
    menu = line.createStandardContextMenu()
    assert box.buttons()[0].text() == "取消"
    assert any("粘贴" in action.text() for action in menu.actions())
    menu.deleteLater()


def test_another_translator_below_is_asked(missed, qapp):
    class Below(QTranslator):
        def translate(self, context, text, disambiguation=None, n=-1):
            return "unten" if text == "below" else None

        def isEmpty(self):
            return False

    below = Below()
    qapp.installTranslator(below)
    try:
        use("zh_CN")
        assert QCoreApplication.translate("anything", "below") == "unten"
        assert phrase("below") == "unten" and tr("Run") == "运行"
    finally:
        qapp.removeTranslator(below)


# The window ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def window(open_window, missed):
    return open_window()


def visit(window):
    """Look at every tab, every page, every setting and the menus."""
    for tab in window.tabs:
        window.show_tab(tab.id)
        for page in window.front().pages():
            window.front().show_page(page)
        window.front().setup.form.unfold(True)


def test_every_tab_and_page_follows_a_switch_and_back(window, missed):
    visit(window)
    before = said(window)
    window.actions_.trigger("language.zh_CN")
    visit(window)
    left = english(said(window))
    assert not {text for text in left if " " in text.strip() and text in before} - KEPT, "these stayed English"
    assert not {text for text in missed if english({text}) and "{" not in text} - KEPT, "the catalogue lacks these"
    assert window.header.title.text() in ("损失景观", "混合模型")
    assert window.settings.language == "zh_CN" and window.actions_.action("language.zh_CN").isChecked()
    window.actions_.trigger("language.en")
    visit(window)
    assert said(window) == before


KEPT = {"Scroll Left", "Scroll Right", "Theodolite"}


def test_the_menu_offers_the_languages_in_their_own_words(window):
    menu = window.view_menu()
    texts = [action.text() for action in menu.actions()]
    assert texts[-3:] == ["Language of the system", "English", "简体中文"]
    window.choose_language("zh_CN")
    assert window.view_menu().actions()[-2].text() == "English"
    assert "跟随系统语言" in [action.text() for action in menu.actions()]


def test_without_letters_the_window_says_so_and_stays_english(window, monkeypatch):
    monkeypatch.setattr(translation, "drawable", lambda code: code == "en")
    window.choose_language("zh_CN")
    assert current() == "en" and window.header.python_button.text() == "Copy as Python"
    (bar,) = window.findChild(Notices).bars()
    assert bar.notice.level == "warn" and "No font on this computer has the characters of Chinese" in bar.notice.why


def test_the_fonts_of_this_machine_are_looked_at(qapp, monkeypatch):
    found = list(translation.QFontDatabase.writingSystems())
    assert translation.drawable("en")
    assert translation.drawable("zh_CN") is (translation.WRITING["zh_CN"] in found)
    monkeypatch.setattr(translation, "WRITING", {"zh_CN": translation.QFontDatabase.WritingSystem.Ogham})
    monkeypatch.setattr(translation.QFontDatabase, "writingSystems", lambda *_: found[:0])
    with pytest.raises(NoFontForLanguage):
        use("zh_CN")
    assert current() == "en"


# The start -----------------------------------------------------------------------------------------------------------
def test_the_language_of_a_start(missed, monkeypatch):
    assert parser().parse_args(["--language", "zh_CN"]).language == "zh_CN"
    assert parser().parse_args([]).language is None
    assert application._speak("zh_CN") is None and current() == "zh_CN"
    monkeypatch.setattr(translation, "drawable", lambda code: code == "en")
    assert isinstance(application._speak("zh_CN"), NoFontForLanguage) and current() == "en"
