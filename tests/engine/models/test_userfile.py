"""Users' model files: what is copied, what is confirmed, what runs, and how each fault is told."""

import json
import logging
import py_compile
import random
import sys

import numpy as np
import pytest
import torch

from engine.models import userfile
from engine.models.consent import consent_file, consented, grant, granted, require_consent, revoke
from engine.models.errors import (
    ConsentMissing,
    MissingModelFile,
    ModuleNotCopied,
    NoFactory,
    NotAModule,
    ReservedName,
    SourceSyntax,
    SourceTooLarge,
    UserCodeFailed,
)
from engine.models.freeze import freeze, survey, thaw
from engine.models.userfile import UserFile
from tests.engine.models.conftest import GOOD


# --------------------------------------------------------------------------------------------------------------- freeze
def test_survey_follows_imports_through_packages_and_functions(write):
    path = write(
        {
            "model.py": """
                import os, json, torch
                import helper
                import pkg.deep.leaf as leaf
                from pkg import sibling, CONSTANT
                from namespace.inner import thing
                def build():
                    from lazy import late
                    import not_there
            """,
            "helper.py": "import second",
            "second.py": "import helper",
            "lazy.py": "late = 1",
            "pkg/__init__.py": "CONSTANT = 1\nfrom . import relative\nfrom .deep import other",
            "pkg/sibling.py": "",
            "pkg/relative.py": "from .deep.up import x",
            "pkg/deep/__init__.py": "",
            "pkg/deep/leaf.py": "from .. import cousin\nfrom ..sub import *",
            "pkg/deep/up.py": "",
            "pkg/deep/other.py": "",
            "pkg/cousin.py": "",
            "pkg/sub/__init__.py": "",
            "namespace/inner.py": "thing = 1",
            "unused.py": "raise SystemError",
            "json.py": "raise SystemError",
            "data.csv": "1,2",
        }
    )
    assert set(survey(path).files) == {
        "model.py",
        "helper.py",
        "second.py",
        "lazy.py",
        "pkg/__init__.py",
        "pkg/sibling.py",
        "pkg/relative.py",
        "pkg/deep/__init__.py",
        "pkg/deep/leaf.py",
        "pkg/deep/up.py",
        "pkg/deep/other.py",
        "pkg/cousin.py",
        "pkg/sub/__init__.py",
        "namespace/inner.py",
    }


def test_the_copy_has_the_hash_of_the_original_and_every_change_changes_it(write, tmp_path):
    files = {"model.py": "import helper\n" + GOOD, "helper.py": "a = 1"}
    path = write(files)
    source = survey(path)
    copy = freeze(path, tmp_path / "copy")
    assert copy.sha256 == source.sha256 and copy.files == ("helper.py", "model.py")
    assert thaw(tmp_path / "copy", "model.py") == copy

    (path.parent / "helper.py").write_text("a = 2")
    assert survey(path).sha256 != source.sha256
    (tmp_path / "copy" / "extra.py").write_text("")
    assert thaw(tmp_path / "copy", "model.py").sha256 != source.sha256


def test_survey_faults(write, tmp_path):
    with pytest.raises(MissingModelFile, match=r"no model file at .*nothing\.py"):
        survey(tmp_path / "nothing.py")
    with pytest.raises(MissingModelFile):
        thaw(tmp_path, "model.py")
    with pytest.raises(SourceSyntax, match=r"model\.py is not valid Python. Line 3: "):
        survey(write("import os\n\ndef build(:\n"))
    with pytest.raises(SourceSyntax, match=r"helper\.py is not valid Python. Line 1"):
        survey(write({"model.py": "import helper", "helper.py": "x ="}))
    with pytest.raises(SourceSyntax):
        survey(write({"model.py": "x = '\0'"}, "nul"))
    path = write("")
    path.rename(path.with_name("torch.py"))
    with pytest.raises(ReservedName, match=r"cannot be called torch\.py"):
        survey(path.with_name("torch.py"))


def test_folders_full_of_code_are_not_copied(write, monkeypatch):
    monkeypatch.setattr("engine.models.freeze.LIMIT", 10)
    with pytest.raises(SourceTooLarge, match=r"1 files"):
        survey(write(GOOD))


# -------------------------------------------------------------------------------------------------------------- consent
def test_consent_is_asked_kept_listed_and_withdrawn():
    sha = "a" * 64
    with pytest.raises(ConsentMissing, match=r"model\.py is not run without your consent.*aaaa"):
        require_consent(sha, "model.py")
    grant(sha, "/home/me/model.py")
    require_consent(sha, "model.py")
    assert granted()[sha]["path"] == "/home/me/model.py" and granted()[sha]["time"] > 0
    revoke(sha)
    assert not consented(sha)


@pytest.mark.parametrize("text", ["{not json", "[1, 2]", ""])
def test_a_damaged_list_of_consents_asks_again(text):
    grant("b" * 64, "m.py")
    consent_file().write_text(text)
    assert not consented("b" * 64)
    grant("c" * 64, "m.py")
    assert list(json.loads(consent_file().read_text())) == ["c" * 64]


def test_code_without_consent_is_not_executed(write, tmp_path):
    marker = tmp_path / "ran"
    source = freeze(write(f"open({str(marker)!r}, 'w')"), tmp_path / "copy")
    with pytest.raises(ConsentMissing):
        UserFile(source)
    assert not marker.exists()


def test_consent_does_not_cover_a_copy_that_was_changed(write, tmp_path):
    source = freeze(write(GOOD), tmp_path / "copy")
    grant(source.sha256, "model.py")
    UserFile(thaw(tmp_path / "copy", "model.py"))
    (tmp_path / "copy" / "torch.py").write_text("evil = 1")
    with pytest.raises(ConsentMissing):
        UserFile(thaw(tmp_path / "copy", "model.py"))


def test_compiled_files_beside_the_source_are_never_run(user, write, tmp_path):
    source = freeze(
        write({"model.py": "import helper\nvalue = helper.value", "helper.py": "value = 1"}), tmp_path / "copy"
    )
    grant(source.sha256, "model.py")
    evil = tmp_path / "evil.py"
    evil.write_text("value = 'evil'")
    cached = tmp_path / "copy" / "__pycache__" / f"helper.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(evil), str(cached), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert UserFile(thaw(tmp_path / "copy", "model.py")).main.value == 1


# ----------------------------------------------------------------------------------------------------------------- load
def test_build_follows_the_seed(user):
    file = user(GOOD)
    one, two, other = (file.build("build", seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["1.weight"], other["1.weight"])
    assert file.has("build") and not file.has("loss")


def test_data_are_the_same_when_asked_for_again(user):
    text = """
        import random
        import numpy as np, torch
        def data():
            return [random.random(), np.random.rand(), float(torch.rand(()))]
    """
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.rand()
    random.seed(3)
    np.random.seed(3)
    file = user(text)
    one, two, other = (file.data(seed) for seed in (1, 1, 2))
    assert one == two and not set(one) & set(other) and len(set(one)) == 3
    assert (random.random(), np.random.rand()) == expected


def test_two_models_may_have_modules_of_one_name(user):
    files = [user({"model.py": "import utils\nvalue = utils.value", "utils.py": f"value = {i}"}) for i in range(2)]
    assert [file.main.value for file in files] == [0, 1]
    assert "utils" not in sys.modules and "model" not in sys.modules


def test_imports_inside_functions_find_the_copy_later(user):
    files = [
        user(
            {
                "model.py": """
                    def late():
                        import math
                        from pkg import part
                        import pkg.other
                        return part.value, pkg.other.value, math.pi
                """,
                "pkg/__init__.py": "",
                "pkg/part.py": f"value = {i}",
                "pkg/other.py": f"from .part import value as v\nvalue = v + {10 * i}",
            }
        )
        for i in range(2)
    ]
    for i in (0, 1, 0):
        assert files[i].main.late()[:2] == (i, 11 * i)
    assert "pkg" not in sys.modules


def test_a_module_may_be_called_like_one_of_ours(user):
    file = user({"model.py": "import engine.models\nvalue = engine.models.value", "engine/models.py": "value = 'mine'"})
    assert file.main.value == "mine"
    import engine.models

    assert sys.modules["engine.models"] is engine.models and not hasattr(engine.models, "value")


def test_the_users_own_folder_is_not_searched(user):
    with pytest.raises(ModuleNotCopied, match=r"model\.py imports hidden, which was not found"):
        user({"model.py": "import importlib\nimportlib.import_module('hidden')", "hidden.py": "value = 1"})


def test_classes_of_the_file_can_use_their_module(user):
    file = user(
        """
        import dataclasses, typing
        @dataclasses.dataclass
        class Settings:
            width: "typing.ClassVar[int]" = 3
            depth: int = 2
        """
    )
    assert file.main.Settings().depth == 2


# --------------------------------------------------------------------------------------------------------------- faults
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ny = 1 / 0\n", r"The model file .* failed: ZeroDivisionError.*model\.py, line 2: y = 1 / 0"),
        ("import sys\nsys.exit(3)", r"SystemExit: 3.*line 2"),
        ("raise ImportError('no good')", r"ImportError: no good"),
        ("from json import nothing", r"cannot import name 'nothing'"),
        ("from . import x", r"attempted relative import"),
        ("import engine.nothing", r"engine\.nothing"),
    ],
)
def test_faults_while_loading_name_the_line(user, text, words):
    with pytest.raises(UserCodeFailed, match=words):
        user(text)


def test_faults_in_build_name_the_innermost_line_of_the_user(user):
    files = {
        "model.py": "import helper\ndef build():\n    return helper.make()",
        "helper.py": "import torch\n\ndef make():\n    return torch.nn.Linear(-3, 'x')",
    }
    with pytest.raises(
        UserCodeFailed, match=r"build\(\) of the model file failed: .*helper\.py, line 4: return torch"
    ) as caught:
        user(files).build("build", 0)
    assert caught.value.__cause__ is not None


def test_missing_or_wrong_functions(user):
    with pytest.raises(NoFactory, match=r"model\.py has no function build\(\).*It defines: make, other"):
        user("def make(): ...\ndef other(): ...\nvalue = 1").build("build", 0)
    with pytest.raises(NoFactory, match=r"It defines: nothing"):
        user("build = 3").build("build", 0)
    with pytest.raises(NotAModule, match=r"build\(\) returned dict"):
        user("def build(): return {}").build("build", 0)
    with pytest.raises(UserCodeFailed, match=r"TypeError"):
        user("def build(width): ...").build("build", 0)


def test_code_that_does_not_come_back_is_said_in_the_log(user, monkeypatch, expect_log, caplog):
    monkeypatch.setattr(userfile, "SLOW", 0.02)
    expect_log(r"build\(\) of model\.py has been running")
    with caplog.at_level(logging.WARNING):
        user("import time, torch\ndef build():\n    time.sleep(0.2)\n    return torch.nn.Linear(1, 1)").build(
            "build", 0
        )
    assert "Cancel ends it" in caplog.text
