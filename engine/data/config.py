"""Which data: built-in sets, generators, a user's file, or the ``data()`` of a user's model file."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from engine.studies.contract import Spec, UserPath, field

BuiltinName = Literal["digits", "mnist1d", "moons", "iris", "wine", "breast_cancer", "diabetes"]
Standardise = Literal["auto", "column", "channel", "none"]


class DataOptions(Spec):
    """What is done to any dataset, in this order: split, subset, label noise, standardisation.

    Subset and noise are nested: the examples of a smaller fraction are among those of a larger one.
    """

    test_fraction: float = field(
        0.2,
        "Test fraction",
        "Share of the examples held out for testing; ignored where the data bring their own split.",
        gt=0,
        lt=1,
        advanced=True,
    )
    split_seed: int = field(
        0,
        "Split seed",
        "Decides the split, the subset and which labels are wrong; apart from the run's own seed.",
        ge=0,
        advanced=True,
    )
    subset: float = field(
        1.0,
        "Subset",
        "Fraction of the training examples that is used. Fewer examples are a lighter load on the network.",
        gt=0,
        le=1,
        advanced=True,
        axis=True,
    )
    label_noise: float = field(
        0.0,
        "Label noise",
        "Fraction of the training labels replaced by a wrong class, drawn uniformly from the others.",
        ge=0,
        le=1,
        advanced=True,
        axis=True,
    )
    standardise: Standardise = field(
        "auto",
        "Standardise",
        "Subtract the mean and divide by the standard deviation of the training examples.",
        labels={
            "auto": "Automatic: tables by column, images and series by channel",
            "column": "Each column by itself",
            "channel": "Each channel by itself",
            "none": "Leave the values as they are",
        },
        advanced=True,
    )


class BuiltinData(DataOptions):
    """A dataset that works offline at once."""

    title: ClassVar[str] = "Built in"
    source: Literal["builtin"] = "builtin"
    name: BuiltinName = field(
        "digits",
        "Dataset",
        "Real data that come with scikit-learn, or a generator.",
        labels={
            "digits": "Digits: 1,797 images of 8 x 8 pixels, 10 classes",
            "mnist1d": "MNIST-1D style: generated series of 40 points, 10 classes",
            "moons": "Two moons: generated points in the plane, 2 classes",
            "iris": "Iris: 150 flowers, 4 features, 3 classes",
            "wine": "Wine: 178 wines, 13 features, 3 classes",
            "breast_cancer": "Breast cancer: 569 tumours, 30 features, 2 classes",
            "diabetes": "Diabetes: 442 patients, 10 features, a number to predict",
        },
    )
    samples: int = field(
        5000,
        "Examples",
        "How many examples a generator makes; real datasets keep their size.",
        ge=20,
        le=1_000_000,
        advanced=True,
    )
    noise: float = field(
        0.2,
        "Noise",
        "Standard deviation of the noise added to the two moons.",
        ge=0,
        le=10,
        advanced=True,
    )


class FileData(DataOptions):
    """A user's own file or folder."""

    title: ClassVar[str] = "A file of your own"
    source: Literal["file"] = "file"
    path: UserPath = field(
        ..., "File or folder", "NPZ, CSV, TSV, IDX, or a folder with one subfolder of images a class.", min_length=1
    )
    format: Literal["auto", "npz", "csv", "idx", "cifar", "images"] = field(
        "auto",
        "Format",
        "How to read the file; automatic goes by its name and first bytes.",
        labels={
            "auto": "Automatic",
            "npz": "NumPy archive",
            "csv": "Table of text",
            "idx": "IDX (as MNIST is shared)",
            "cifar": "CIFAR, binary version",
            "images": "Folder of images",
        },
        advanced=True,
    )
    target: str = field(
        "",
        "Target",
        "Name of the column (CSV) or array (NPZ) to predict; empty: the last column, or y.",
    )
    predict: Literal["auto", "class", "number"] = field(
        "auto",
        "Predict",
        "Whether the target is a class or a number; automatic: a number where it has fractions.",
        labels={"auto": "Automatic", "class": "A class", "number": "A number"},
    )
    separator: Literal["auto", ",", ";", "tab", "|", "space"] = field(
        "auto",
        "Separator",
        "What stands between two cells of a table.",
        labels={"auto": "Automatic", ",": "Comma", ";": "Semicolon", "tab": "Tabulator", "|": "Bar", "space": "Space"},
        advanced=True,
    )
    decimal: Literal["auto", ".", ","] = field(
        "auto",
        "Decimal mark",
        "Whether one half is written 0.5 or 0,5.",
        labels={"auto": "Automatic", ".": "Point", ",": "Comma"},
        advanced=True,
    )
    header: Literal["auto", "yes", "no"] = field(
        "auto",
        "Header",
        "Whether the first row of the table names the columns.",
        labels={"auto": "Automatic", "yes": "First row has names", "no": "First row is data"},
        advanced=True,
    )
    image_size: int = field(
        32,
        "Image size",
        "Images of a folder are scaled to squares of this many pixels.",
        unit="px",
        ge=4,
        le=512,
    )
    grey: bool = field(
        False, "Grey images", "Read the images of a folder with one channel instead of three.", advanced=True
    )


class ModelFileData(DataOptions):
    """The data that the user's model file makes itself in ``data()``."""

    title: ClassVar[str] = "The model file's data()"
    source: Literal["model"] = "model"


DataConfig = Annotated[BuiltinData | FileData | ModelFileData, Field(discriminator="source")]
