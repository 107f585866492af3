"""Settings of the mixture tasks and of the pipeline that chooses, fits and resamples a mixture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from engine.artifacts.refs import ArtifactRef, OfKind
from engine.studies.contract import PRESETS, Links, PipelineConfig, Spec, TaskConfig, field, input_field
from engine.studies.mixture.model.families import FAMILIES, Family

TableRef = Annotated[ArtifactRef, OfKind("table")]
ChoiceRef = Annotated[ArtifactRef, OfKind("choice")]
MixtureRef = Annotated[ArtifactRef, OfKind("mixture")]

BuiltinName = Literal["iris", "wine", "breast_cancer", "digits", "faithful", "generated"]
Method = Literal["em", "t", "spectral_bootem", "bootspectral", "cem", "sem", "annealing"]
METHODS = {
    "em": "EM from many starts",
    "t": "Multivariate t (heavy tails)",
    "spectral_bootem": "Spectral-BootEM, after Welsh & Shreeves",
    "bootspectral": "BootSpectral, after Welsh & Shreeves",
    "cem": "Classification EM",
    "sem": "Stochastic EM",
    "annealing": "Deterministic annealing",
}
RESAMPLED = ("spectral_bootem", "bootspectral")
FAMILY_NAMES = {
    "EII": "EII: equal spheres",
    "VII": "VII: spheres",
    "EEI": "EEI: equal, axis-parallel",
    "VEI": "VEI: one shape, axis-parallel",
    "EVI": "EVI: one volume, axis-parallel",
    "VVI": "VVI: diagonal",
    "EEE": "EEE: one full covariance",
    "VEE": "VEE: one shape and orientation",
    "EVE": "EVE: one volume and orientation",
    "VVE": "VVE: one orientation",
    "EEV": "EEV: one volume and shape",
    "VEV": "VEV: one shape",
    "EVV": "EVV: one volume",
    "VVV": "VVV: full, all free",
}
USUAL: tuple[Family, ...] = ("EII", "VII", "EEI", "VVI", "EEE", "VVV")
PRIORS = {
    "auto": "Where rows are few (under 5 a parameter)",
    "off": "None: maximum likelihood",
    "pooled": "Towards the pooled covariance",
    "conjugate": "Conjugate (Fraley & Raftery 2007)",
}


class TableOptions(Spec):
    """What is done to any table."""

    scaling: Literal["zscore", "none"] = field(
        "zscore",
        "Scaling",
        "Divide columns by their standard deviation. Full covariances fit the same either way; the starts, the"
        " spherical families and the spectral step do not.",
        labels={"zscore": "Standardise columns", "none": "As they are"},
    )
    columns: tuple[str, ...] = field(
        (), "Columns", "Names of the columns to cluster; empty takes every column of numbers.", advanced=True
    )


class BuiltinTable(TableOptions):
    """A table that works offline at once, with known classes."""

    title: ClassVar[str] = "Built in"
    source: Literal["builtin"] = "builtin"
    name: BuiltinName = field(
        "iris",
        "Table",
        "Real data that come with scikit-learn, or a generator whose truth is known.",
        labels={
            "iris": "Iris: 150 flowers, 4 columns, 3 classes",
            "wine": "Wine: 178 wines, 13 columns, 3 classes",
            "breast_cancer": "Breast cancer: 569 tumours, 30 columns, 2 classes",
            "digits": "Digits: 1,797 images, 64 columns, 10 classes",
            "faithful": "Old Faithful: 272 eruptions, 2 columns",
            "generated": "Generated: a mixture of Gaussians",
        },
    )
    rows: int = field(1000, "Rows", "How many rows are generated.", ge=20, le=1_000_000, advanced=True)
    dimension: int = field(2, "Dimension", "How many columns are generated.", symbol="d", ge=1, le=200, advanced=True)
    clusters: int = field(4, "True clusters", "How many components are generated.", ge=1, le=50, advanced=True)
    separation: float = field(
        4.0,
        "Separation",
        "Distance between neighbouring generated means in standard deviations, about.",
        ge=0,
        le=100,
        advanced=True,
    )
    data_seed: int = field(0, "Data seed", "Decides which mixture and which rows are generated.", ge=0, advanced=True)


class FileTable(TableOptions):
    """A user's own file."""

    title: ClassVar[str] = "A file of your own"
    source: Literal["file"] = "file"
    path: str = field(..., "File", "CSV, TSV, Parquet, NPY or Excel; one row an observation.", min_length=1)
    label: str = field("", "Known classes", "A column with known classes: kept apart, only compared with.")
    separator: Literal["auto", ",", ";", "\t", "|"] = field(
        "auto",
        "Separator",
        "What stands between two cells of a text table.",
        labels={"auto": "Automatic", ",": "Comma", ";": "Semicolon", "\t": "Tabulator", "|": "Bar"},
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
        "Whether the first row names the columns.",
        labels={"auto": "Automatic", "yes": "First row has names", "no": "First row is data"},
        advanced=True,
    )
    reading: Literal["auto", "memory", "stream"] = field(
        "auto",
        "Reading",
        "A table larger than memory is read in parts: starts race on a random part, the best run on all rows. CSV, TSV,"
        " Parquet and NPY can be streamed.",
        labels={"auto": "Stream what is large", "memory": "Whole into memory", "stream": "In parts"},
        advanced=True,
    )
    sheet: int = field(1, "Sheet", "Which sheet of an Excel file, from 1.", ge=1, le=1000, advanced=True)


class RunTable(TableOptions):
    """A table that another run has made."""

    title: ClassVar[str] = "A table of another run"
    source: Literal["run"] = "run"
    table: TableRef | None = input_field("Table", "A table artifact; its columns of numbers are clustered.")
    label: str = field("", "Known classes", "A column with known classes: kept apart, only compared with.")


TableSource = Annotated[BuiltinTable | FileTable | RunTable, Field(discriminator="source")]


class _OfTable(TaskConfig):
    """What reads a table."""

    data: TableSource = field(BuiltinTable, "Data", "What is clustered.")
    prior: Literal["auto", "off", "pooled", "conjugate"] = field(
        "auto", "Prior", "A weak prior on covariances keeps thin components from collapsing.", labels=PRIORS,
        advanced=True,
    )  # fmt: skip

    def open_inputs(self) -> list[str]:
        """The table of another run counts as an input."""
        missing = isinstance(self.data, RunTable) and self.data.table is None
        return [*super().open_inputs(), *(["data.table"] if missing else [])]


class SelectConfig(_OfTable):
    """Which family and how many clusters."""

    task: ClassVar[str] = "mixture.select"
    title: ClassVar[str] = "Choice of model"
    summary: ClassVar[str] = "Fit families of covariances with several numbers of clusters and weigh fit against size."
    outputs: ClassVar[Mapping[str, str]] = {"choice": "choice"}

    families: tuple[Family, ...] = field(
        USUAL,
        "Families",
        "Volume, shape and orientation of the clusters: Equal, Variable or Identity.",
        labels=FAMILY_NAMES,
        min_length=1,
    )
    smallest: int = field(1, "Fewest clusters", "The smallest number of components tried.", ge=1, le=100)
    largest: int = field(9, "Most clusters", "The largest number of components tried.", ge=1, le=100)
    starts: int = field(
        7,
        "Starts",
        "Partitions that fits begin from, besides the solutions of smaller models; the best go on.",
        ge=1,
        le=100,
        advanced=True,
    )
    resamples: int = field(
        10,
        "Resamples",
        "Refits on bootstrap resamples behind the out-of-bag likelihood of each model; 0 leaves it out.",
        ge=0,
        le=1000,
        advanced=True,
    )

    @model_validator(mode="after")
    def _ordered(self) -> SelectConfig:
        if self.smallest > self.largest:
            raise ValueError("the fewest clusters must not be more than the most")
        return self

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(families=("EII", "VVV"), largest=4, resamples=3),
            "quick": cls(),
            "standard": cls(families=FAMILIES),
            "paper": cls(families=FAMILIES, largest=15, starts=20, resamples=50),
        }


class FitConfig(_OfTable):
    """One family with one number of clusters, from many starts."""

    task: ClassVar[str] = "mixture.fit"
    title: ClassVar[str] = "Mixture"
    summary: ClassVar[str] = "Fit one mixture from many starts and map the local maxima that they end in."
    outputs: ClassVar[Mapping[str, str]] = {"mixture": "mixture", "labels": "table"}

    choice: ChoiceRef | None = input_field(
        "Choice", "Takes family and number of clusters from a choice of model, by the criterion.", required=False,
        advanced=True,
    )  # fmt: skip
    method: Method = field(
        "em",
        "Method",
        "EM runs every start in one batch. The two bootstraps resample rows in every iteration on leading axes: our"
        " implementation after Welsh & Shreeves.",
        labels=METHODS,
    )
    family: Family = field(
        "VVV", "Family", "Covariances of the clusters, unless a choice says so.", labels=FAMILY_NAMES
    )
    components: int = field(3, "Clusters", "How many, unless a choice says so.", symbol="G", ge=1, le=100, axis=True)
    criterion: Literal["bic", "icl", "out_of_bag"] = field(
        "bic",
        "Criterion",
        "Which criterion picks from the choice: BIC for density, ICL for well separated clusters, out-of-bag likelihood"
        " where rows are few.",
        labels={"bic": "BIC", "icl": "ICL", "out_of_bag": "Out-of-bag likelihood"},
    )
    starts: int = field(50, "Starts", "Starts of mixed kinds; all run together.", ge=1, le=10_000)
    q: int | None = field(
        None, "Axes", "Leading axes for the two bootstraps; empty: by the rule.", symbol="q", ge=1, le=1000
    )
    q_rule: Literal["parallel", "gavish_donoho", "variance", "elbow"] = field(
        "parallel",
        "Axes by",
        "Rule for the number of axes where none is given.",
        labels={
            "parallel": "Parallel analysis",
            "gavish_donoho": "Gavish & Donoho",
            "variance": "90 % of the variance",
            "elbow": "Profile likelihood (elbow)",
        },
        advanced=True,
    )
    chains: int = field(10, "Chains", "Chains of the two bootstraps.", ge=1, le=200, advanced=True)
    tolerance: float = field(
        1e-5, "Tolerance", "EM stops when the likelihood gains less.", unit="nat/row", gt=0, le=1, log=True,
        advanced=True,
    )  # fmt: skip

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(starts=10),
            "quick": cls(),
            "standard": cls(starts=200),
            "paper": cls(method="spectral_bootem", chains=20),
        }


class StabilityConfig(TaskConfig):
    """How much of a mixture survives resampling."""

    task: ClassVar[str] = "mixture.stability"
    title: ClassVar[str] = "Stability"
    summary: ClassVar[str] = "Refit on resamples: stability of each cluster, out-of-bag likelihood, who stays together."
    outputs: ClassVar[Mapping[str, str]] = {"stability": "stability"}

    mixture: MixtureRef | None = input_field("Mixture", "The mixture that is refitted.")
    replicates: int = field(50, "Resamples", "How many bootstrap resamples are refitted.", ge=2, le=10_000)
    maxima: int = field(
        3,
        "From maxima",
        "Each refit begins from so many local maxima and keeps the best: more make refits freer.",
        ge=1,
        le=20,
        advanced=True,
    )

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(replicates=10, maxima=1),
            "quick": cls(),
            "standard": cls(replicates=200),
            "paper": cls(replicates=500, maxima=5),
        }


class RatioConfig(TaskConfig):
    """Whether one cluster more, or one fewer, describes the table as well."""

    task: ClassVar[str] = "mixture.ratio"
    title: ClassVar[str] = "Likelihood-ratio test"
    summary: ClassVar[str] = (
        "Test G clusters against G + 1, and G - 1 against G, on tables drawn from the smaller model."
    )
    outputs: ClassVar[Mapping[str, str]] = {"ratio": "ratio"}

    mixture: MixtureRef | None = input_field("Mixture", "The mixture whose number of clusters is tested.")
    replicates: int = field(
        99, "Tables", "How many tables are drawn from the smaller model, for each test.", symbol="B", ge=9, le=100_000
    )
    starts: int = field(
        5, "Starts", "Starts of each fit to a drawn table, besides one from the model that it was drawn from.", ge=1,
        le=1000, advanced=True,
    )  # fmt: skip
    fewer: bool = field(True, "Also one fewer", "Test G - 1 clusters against G too.")

    @classmethod
    def presets(cls) -> Mapping[str, TaskConfig]:
        return {
            "smoke": cls(replicates=9, starts=2, fewer=False),
            "quick": cls(),
            "standard": cls(replicates=499),
            "paper": cls(replicates=999, starts=10),
        }


class MixtureConfig(PipelineConfig):
    """Choose a model, fit it, resample it."""

    pipeline: ClassVar[str] = "mixture"
    title: ClassVar[str] = "Mixtures"
    summary: ClassVar[str] = "Cluster a table: choose family and number, fit from many starts, resample."

    data: TableSource = field(BuiltinTable, "Data", "What is clustered.")
    select: SelectConfig | None = field(SelectConfig, "Choice of model", "Try families and numbers of clusters.")
    fit: FitConfig | None = field(FitConfig, "Mixture", "Fit the best, or the one named here, from many starts.")
    stability: StabilityConfig | None = field(StabilityConfig, "Stability", "Refit on resamples.")
    ratio: RatioConfig | None = field(
        None, "Likelihood-ratio test", "Test one cluster more and one fewer, by the parametric bootstrap."
    )

    @classmethod
    def presets(cls) -> Mapping[str, PipelineConfig]:
        parts: dict[str, type[TaskConfig]] = {"select": SelectConfig, "fit": FitConfig, "stability": StabilityConfig}
        return {name: cls(**{key: part.presets()[name] for key, part in parts.items()}) for name in PRESETS}

    def stages(self) -> dict[str, TaskConfig]:
        """All stages look at the pipeline's table; without a mixture there is nothing to resample."""
        found: dict[str, TaskConfig] = {}
        update: dict[str, Any] = {"data": self.data}
        for name, part in (("select", self.select), ("fit", self.fit)):
            if part is not None:
                found[name] = part.model_copy(update=update)
        if self.stability is not None and (self.fit is not None or self.stability.mixture is not None):
            found["stability"] = self.stability
        if self.ratio is not None and (self.fit is not None or self.ratio.mixture is not None):
            found["ratio"] = self.ratio
        return found

    def links(self) -> Links:
        """The choice goes into the fit, the fit into its resamples and tests."""
        return {
            "fit.choice": ("select", "choice"),
            "stability.mixture": ("fit", "mixture"),
            "ratio.mixture": ("fit", "mixture"),
        }
