"""Services are found by name in the session.py of any room or study."""

import subprocess
import sys

import pytest

from engine.sessions import errors, registry
from engine.sessions.service import methods


def test_the_scene_is_found_and_offers_its_methods():
    service = registry.find("scene")
    assert service.__module__ == "engine.scene.session"
    assert methods(service) == ["render", "set_scene"]


def test_an_unknown_name_is_told_with_the_known_ones():
    with pytest.raises(errors.UnknownService, match=r"called nonsense.*scene"):
        registry.find("nonsense")


def test_looking_for_a_service_and_being_a_client_load_nothing_heavy():
    code = (
        "import sys; from engine.sessions import client, registry; registry.find('scene');"
        "print([name for name in ('torch', 'open3d', 'sklearn', 'scipy', 'polars', 'PySide6') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
