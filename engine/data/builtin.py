"""Real datasets, read from the files inside the installed scikit-learn without importing it."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np

from engine.data.config import BuiltinData
from engine.data.dataset import Array, Raw
from engine.data.errors import MissingBuiltin
from engine.data.generators import mnist1d, moons

IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
WINE = (
    "alcohol",
    "malic_acid",
    "ash",
    "alcalinity_of_ash",
    "magnesium",
    "total_phenols",
    "flavanoids",
    "nonflavanoid_phenols",
    "proanthocyanins",
    "color_intensity",
    "hue",
    "od280/od315_of_diluted_wines",
    "proline",
)
NUCLEUS = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
CANCER = (
    *(f"mean {name}" for name in NUCLEUS),
    *(f"{name} error" for name in NUCLEUS),
    *(f"worst {name}" for name in NUCLEUS),
)
DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def read_builtin(config: BuiltinData) -> Raw:
    """The named dataset; real ones equal scikit-learn's loaders.

    Raises:
        MissingBuiltin: scikit-learn's data files are not installed.
    """
    makers: dict[str, Callable[[], Raw]] = {
        "digits": _digits,
        "iris": lambda: _table("iris", "iris.csv", IRIS),
        "wine": lambda: _table("wine", "wine_data.csv", WINE),
        "breast_cancer": lambda: _table("breast_cancer", "breast_cancer.csv", CANCER),
        "diabetes": _diabetes,
        "mnist1d": lambda: _mnist1d(config),
        "moons": lambda: _moons(config),
    }
    return makers[config.name]()


def _file(name: str, file: str) -> Path:
    spec = importlib.util.find_spec("sklearn")
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root) / "datasets" / "data" / file
        if path.is_file():
            return path
    raise MissingBuiltin(name=name, file=file)


def _numbers(name: str, file: str, delimiter: str | None = ",") -> Array:
    with gzip.open(_file(name, file), "rt", encoding="utf-8") as stream:
        return np.loadtxt(stream, delimiter=delimiter, dtype=np.float64)


def _digits() -> Raw:
    """8 x 8 images with values 0 to 16 (Alpaydin and Kaynak 1998, test part of optdigits)."""
    table = _numbers("digits", "digits.csv.gz")
    images = table[:, :64].reshape(-1, 1, 8, 8).astype(np.float32)
    return Raw(images, table[:, 64].astype(np.int64), tuple("0123456789"), "digits")


def _table(name: str, file: str, features: tuple[str, ...]) -> Raw:
    """A scikit-learn CSV: the first line has counts and class names, the last column the class."""
    with _file(name, file).open(encoding="utf-8") as stream:
        classes = tuple(stream.readline().strip().split(",")[2:])
        table = np.loadtxt(stream, delimiter=",", dtype=np.float64)
    return Raw(table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64), classes, name, features)


def _diabetes() -> Raw:
    """Efron et al. 2004, Least angle regression, in the original units."""
    x = _numbers("diabetes", "diabetes_data_raw.csv.gz", None)
    y = _numbers("diabetes", "diabetes_target.csv.gz", None)
    return Raw(x.astype(np.float32), y.astype(np.float32), (), "diabetes", DIABETES)


def _mnist1d(config: BuiltinData) -> Raw:
    x, y = mnist1d(config.samples, config.split_seed)
    return Raw(x[:, None, :], y, tuple("0123456789"), "mnist1d")


def _moons(config: BuiltinData) -> Raw:
    x, y = moons(config.samples, config.noise, config.split_seed)
    return Raw(x, y, ("upper", "lower"), "moons", ("x1", "x2"))
