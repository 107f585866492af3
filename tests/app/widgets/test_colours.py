import numpy as np
import pytest

from app.widgets.plot import colours


def test_viridis_hits_its_published_colours() -> None:
    table = colours.lut("viridis")
    assert table[0].tolist() == [0x44, 0x01, 0x54]
    assert table[-1].tolist() == [0xFD, 0xE7, 0x25]
    np.testing.assert_allclose(table[128], [0x21, 0x91, 0x8C], atol=2)  # its middle


def test_viridis_grows_lighter_all_the_way() -> None:
    light = colours.lut("viridis") @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(light) > -0.6)


def test_diverging_is_symmetric_about_zero() -> None:
    assert colours.levels(np.array([-1.0, 3.0]), "diverging") == (-3.0, 3.0)
    assert colours.levels(np.zeros(4), "diverging") == (-1.0, 1.0)
    middle = colours.lut("diverging")[127:129].min()
    assert middle > 235  # nearly white


def test_levels_of_odd_fields() -> None:
    assert colours.levels(np.array([np.nan, np.inf]), "viridis") == (0.0, 1.0)
    assert colours.levels(np.array([2.0, 2.0]), "viridis") == (1.5, 2.5)
    assert colours.levels(np.array([1.0, np.nan, 4.0]), "viridis") == (1.0, 4.0)


def test_unknown_map() -> None:
    with pytest.raises(KeyError):
        colours.lut("jet")
