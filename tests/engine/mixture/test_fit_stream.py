"""mixture.fit on tables that are read in parts: the fit of memory, labels of all rows, stops, estimates, faults."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest

from engine.artifacts.refs import ArtifactRef
from engine.artifacts.shared_kinds import TableKind
from engine.runs.run import Stopped
from engine.studies import catalogue
from engine.studies.mixture.config import FileTable, FitConfig, RatioConfig, SelectConfig, StabilityConfig
from engine.studies.mixture.em.em import Control
from engine.studies.mixture.em.sweep import MemoryRows
from engine.studies.mixture.model.criteria import criteria
from engine.studies.mixture.model.families import FAMILIES
from engine.studies.mixture.model.mixture import Mixture
from engine.studies.mixture.search.climb import Climb
from engine.studies.mixture.search.fit import Options, fit, prepare, starts_of
from engine.studies.mixture.search.race import polished
from engine.studies.mixture.search.streamed import StreamedFit
from engine.studies.mixture.tables import errors as errors
from engine.studies.mixture.tables import size
from engine.studies.mixture.tables.stream import Source, StreamRows
from engine.studies.mixture.tasks import fit_stream as tasks_fit_stream
from engine.studies.session import Estimates
from tests.engine.fakes import FakeRun

from .conftest import blobs
from .test_reading_in_parts import write_any
from .test_tasks import same, value

N = 12_000


class Made(NamedTuple):
    """Rows and their classes, and the folder with t.csv (classes in column k), t.parquet and t.npy."""

    x: np.ndarray
    classes: np.ndarray
    folder: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    x, classes = blobs(N, np.array([[0.0, 0, 0], [4, 0, 0], [0, 5, 2]]), seed=8)
    x = np.round(x * [1, 10, 0.1] + [1000, 0, 0], 9)
    folder = tmp_path_factory.mktemp("fit-stream")
    frame = pl.DataFrame({f"c{i}": x[:, i] for i in range(3)}).with_columns(k=pl.Series(np.array(list("pqr"))[classes]))
    frame.write_csv(folder / "t.csv")
    frame.write_parquet(folder / "t.parquet", row_group_size=5000)
    np.save(folder / "t.npy", x)
    return Made(x, classes, folder)


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples of 2000 rows, artifacts of 1500, chunks of 1500."""
    monkeypatch.setattr(size, "SAMPLE", 2000)
    monkeypatch.setattr(size, "PART", 1500)
    monkeypatch.setattr("engine.studies.mixture.tables.stream.CHUNK", 1500)


def config(path: Path, reading: str = "stream", **options: Any) -> FitConfig:
    label = "k" if path.suffix != ".npy" else ""
    return FitConfig(data=FileTable(path=str(path), label=label, reading=reading), **{"starts": 15, **options})


class WritingRun(FakeRun):
    """Writes labels as they are published, since their rows are made then."""

    labels: dict[str, np.ndarray]

    def publish(self, name: str, artifact: Any, **options: Any) -> ArtifactRef:
        if name == "labels":
            with tempfile.TemporaryDirectory(dir=self.folder) as folder:
                TableKind().write(artifact, Path(folder))
                self.labels = {key: np.array(column) for key, column in TableKind().read(Path(folder)).items()}
        return super().publish(name, artifact, **options)


def run(config: Any, folder: Path, **options: Any) -> WritingRun:
    fake = WritingRun(folder, config.seed, **options)
    catalogue.task(config.task).run(config, fake)
    return fake


def said(fake: FakeRun) -> str:
    return " ".join(template.format(**params) for template, params in fake.warnings)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.npy"])
def test_a_table_no_larger_than_the_sample_has_the_very_fit_of_memory(made: Made, name: str, tmp_path: Path) -> None:
    small = tmp_path / name
    write_any(small, made.x[:3000])
    data = FileTable(path=str(small), reading="stream")
    streamed = run(FitConfig(data=data, starts=12), tmp_path)
    whole = run(FitConfig(data=data.model_copy(update={"reading": "memory"}), starts=12), tmp_path)
    one, other = streamed.last("mixture"), whole.last("mixture")
    np.testing.assert_allclose(one.means, other.means, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.covariances, other.covariances, rtol=1e-9, atol=1e-12)
    for name in ("mixture_log_likelihood", "mixture_rows", "mixture_parameters", "basin_share", "local_maxima"):
        assert value(streamed, name) == pytest.approx(value(whole, name), rel=1e-9)
    assert one.took_part == len(one.x) == 3000
    np.testing.assert_array_equal(one.x, other.x)


@pytest.mark.parametrize("kind", ["csv", "parquet", "npy"])
def test_passes_over_a_file_are_those_over_memory(made: Made, kind: str) -> None:
    task = prepare(made.x, 3, "VVV", Options(prior="off"))
    params = starts_of(task, Options()).parameters([0, 1, 2])
    rows = StreamRows(Source(made.folder / f"t.{kind}", chunk=1700), task.frame, N)
    control = Control(1e-7, 60)
    whole = polished(task.rows, params, "VVV", task.guard, control)
    climb = Climb(rows, params, "VVV", task.guard, control)
    while not climb.done:
        climb.step()
    found = climb.outcome()
    np.testing.assert_allclose(found.log_likelihood, whole.log_likelihood, rtol=1e-9)
    np.testing.assert_allclose(found.params.means, whole.params.means, atol=2e-4)
    exact = Climb(MemoryRows(task.frame.to(made.x)[:6000]), params, "VVV", task.guard, control)
    other = Climb(StreamRows(Head(rows.source, 6000), task.frame, 6000), params, "VVV", task.guard, control)
    assert not exact._fast
    while not exact.done:
        exact.step()
        other.step()
    assert other.done
    np.testing.assert_allclose(other.outcome().log_likelihood, exact.outcome().log_likelihood, rtol=1e-9)
    np.testing.assert_allclose(other.outcome().params.means, exact.outcome().params.means, atol=1e-9)
    np.testing.assert_allclose(other.outcome().params.covariances, exact.outcome().params.covariances, atol=1e-9)


class Head:
    """The first rows of a source."""

    def __init__(self, source: Source, count: int) -> None:
        self.source, self.count, self.names = source, count, source.names

    def chunks(self):
        left = self.count
        for x in self.source.chunks():
            yield x[:left]
            left -= len(x[:left])


def test_all_rows_are_fitted_and_labelled(made: Made, small_sample: None, tmp_path: Path) -> None:
    fake = run(config(made.folder / "t.csv", tolerance=1e-8), tmp_path)
    found = fake.last("mixture")
    whole = fit(made.x, 3, options=Options(starts=15, tolerance=1e-8))
    assert value(fake, "mixture_log_likelihood") == pytest.approx(whole.log_likelihood, abs=0.01)
    np.testing.assert_allclose((found.means - whole.mixture.means) / made.x.std(axis=0), 0, atol=2e-3)
    assert (found.took_part, len(found.x), found.names) == (N, 1500, ("c0", "c1", "c2"))
    np.testing.assert_allclose(found.x, made.x[found.rows])
    np.testing.assert_array_equal(found.known, made.classes[found.rows])
    assert "raced on a random 2000 of the 12000 rows" in said(fake)
    mixture = Mixture(found.weights, found.means, found.covariances)
    assert value(fake, "mixture_log_likelihood") == pytest.approx(mixture.log_density(made.x).sum(), abs=1e-3)
    labels = fake.labels
    np.testing.assert_array_equal(labels["row"], np.arange(N) + 1)
    np.testing.assert_array_equal(labels["cluster"], mixture.labels(made.x) + 1)
    z = mixture.responsibilities(made.x)
    np.testing.assert_allclose(labels["membership"], z.max(axis=1), atol=1e-6)
    single = fit(made.x, 1, options=Options(starts=1)).log_likelihood
    expected = criteria(mixture, made.x, found.log_likelihood, found.degrees, single)
    for name in ("bic", "icl", "aic", "nec"):
        assert value(fake, f"mixture_{name}") == pytest.approx(getattr(expected, name), rel=1e-7)
    assert value(fake, "membership_entropy") == pytest.approx(expected.entropy / N, rel=1e-7)
    assert value(fake, "ari") > 0.9
    steps = [step for step, _ in fake.series["mixture_log_likelihood"]]
    assert steps == sorted(set(steps)) and len(steps) > 2
    shares = [done for done, _, _ in fake.progressed]
    assert shares == sorted(shares) and shares[-1] == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_one_component_needs_no_pass(made: Made, family: str) -> None:
    fitted = StreamedFit(Source(made.folder / "t.npy"), 2, family, Options())
    fitted.look()
    whole = fit(made.x, 1, family, Options(starts=1)).log_likelihood
    assert tasks_fit_stream.single_log_likelihood(fitted) == pytest.approx(whole, rel=1e-9)


def test_rows_with_gaps_are_left_out_but_labelled(made: Made, small_sample: None, tmp_path: Path) -> None:
    x = made.x.copy()
    x[5::50, 1] = np.nan
    x[7::500] = np.nan
    pl.DataFrame({f"c{i}": x[:, i] for i in range(3)}).write_parquet(tmp_path / "g.parquet")
    fake = run(FitConfig(data=FileTable(path=str(tmp_path / "g.parquet"), reading="stream"), starts=10), tmp_path)
    found, labels = fake.last("mixture"), fake.labels
    gaps = np.isnan(x).any(axis=1)
    assert f"{gaps.sum()} of 12000 rows have missing values" in said(fake)
    assert found.took_part == value(fake, "mixture_rows") == N - gaps.sum()
    mixture = Mixture(found.weights, found.means, found.covariances)
    assert value(fake, "mixture_log_likelihood") == pytest.approx(mixture.log_density(x[~gaps]).sum(), abs=1e-3)
    none = np.isnan(x).all(axis=1)
    np.testing.assert_array_equal(labels["cluster"], np.where(none, -1, mixture.labels(x) + 1))
    np.testing.assert_array_equal(np.isnan(labels["membership"]), none)
    partly = x[5]
    other = mixture.marginal(np.array([0, 2])).responsibilities(partly[None, [0, 2]])[0]
    assert labels["membership"][5] == pytest.approx(other.max(), abs=1e-6)


@pytest.mark.parametrize("place", [0.04, 0.3, 0.6, 0.85, 0.97])
def test_a_stop_anywhere_resumes_to_the_same(
    made: Made, small_sample: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: float
) -> None:
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.POINT_SECONDS", 0.0)
    monkeypatch.setattr(tasks_fit_stream, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(tasks_fit_stream, "TELL_SECONDS", 1e9)
    chosen = config(made.folder / "t.parquet", starts=12)
    whole = run(chosen, tmp_path)
    fake = WritingRun(tmp_path, 0, stop_after=int(place * whole.points))
    with pytest.raises(Stopped):
        catalogue.task(chosen.task).run(chosen, fake)
    later = fake.resumed()
    later.__class__ = WritingRun
    catalogue.task(chosen.task).run(chosen, later)
    one = later if "mixture" in later.published else fake
    same(one.last("mixture"), whole.last("mixture"))
    assert later.series == whole.series
    assert {**fake.scalars, **later.scalars} == whole.scalars
    for name, column in whole.labels.items():
        np.testing.assert_array_equal(later.labels[name], column)
    assert sum("raced on" in template for template, _ in fake.warnings + later.warnings) == 1


def test_stop_takes_effect_within_a_chunk(made: Made, small_sample: None, tmp_path: Path) -> None:
    fake = FakeRun(tmp_path, 0, stop_after=4)
    seen = []
    chosen = config(made.folder / "t.csv")
    fake.progress = lambda done, total, note="": seen.append(done)  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        catalogue.task(chosen.task).run(chosen, fake)
    assert 0 < max(seen) < 0.1


def test_a_file_that_changed_since_the_stop_is_told(made: Made, small_sample: None, tmp_path: Path) -> None:
    write_any(tmp_path / "t.npy", made.x)
    chosen = FitConfig(data=FileTable(path=str(tmp_path / "t.npy"), reading="stream"), starts=10)
    fake = FakeRun(tmp_path, 0, stop_after=12)
    with pytest.raises(Stopped):
        catalogue.task(chosen.task).run(chosen, fake)
    assert fake.checkpoints
    write_any(tmp_path / "t.npy", made.x[:-1])
    with pytest.raises(errors.ChangedFileError, match="now has"):
        catalogue.task(chosen.task).run(chosen, fake.resumed())


def test_the_best_so_far_is_shown(made: Made, small_sample: None, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tasks_fit_stream, "TELL_SECONDS", 0.0)
    monkeypatch.setattr("engine.studies.mixture.tasks.fit_run.SHARE", 0)
    fake = run(config(made.folder / "t.npy"), tmp_path)
    shown = [artifact for artifact, complete in fake.published["mixture"] if not complete]
    assert len(shown) > 5
    assert all(one.took_part == N and len(one.x) <= 1500 for one in shown)
    assert shown[-1].log_likelihood == pytest.approx(fake.last("mixture").log_likelihood, rel=1e-3)
    assert shown[0].log_likelihood == pytest.approx(shown[-1].log_likelihood, rel=0.3)


@pytest.mark.parametrize("method", ["t", "cem", "spectral_bootem"])
def test_other_methods_work_on_a_sample_and_say_so(made: Made, small_sample: None, tmp_path: Path, method: str) -> None:
    fake = run(config(made.folder / "t.parquet", method=method, starts=5, chains=3), tmp_path)
    assert "The table has 12000 rows; a random 2000 of them are used here." in said(fake)
    found = fake.last("mixture")
    assert found.took_part == len(found.x) == 2000
    np.testing.assert_allclose(found.x, made.x[found.rows])
    assert value(fake, "ari") > 0.8


def test_the_choice_and_resamples_work_on_parts_and_say_so(
    made: Made, small_sample: None, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("engine.studies.mixture.tasks.setting.MANY_ROWS", 1000)
    monkeypatch.setattr(size, "PART", 500)
    data = FileTable(path=str(made.folder / "t.csv"), label="k", reading="stream")
    chosen = run(SelectConfig(data=data, families=("EEE",), smallest=3, largest=4, resamples=0), tmp_path)
    assert chosen.last("choice").rows == 1000
    assert "a random 1000 of them" in said(chosen)
    fitted = run(config(made.folder / "t.csv", starts=10), tmp_path).last("mixture")
    inputs = {"0/mixture": fitted}
    ref = ArtifactRef(run="0", name="mixture", kind="mixture")
    stable = run(StabilityConfig(mixture=ref, replicates=4, maxima=1), tmp_path, inputs=inputs)
    assert "The table has 12000 rows; a random 500 of them are resampled here." in said(stable)
    assert stable.last("stability").training == pytest.approx(fitted.log_likelihood / N)
    ratio = run(RatioConfig(mixture=ref, replicates=9, starts=1, fewer=False), tmp_path, inputs=inputs)
    assert "Tested on 500 rows" in said(ratio)
    assert "better maximum" not in said(ratio)


def test_how_a_table_is_read_follows_from_its_size(made: Made, tmp_path: Path, monkeypatch: Any) -> None:
    def table(name: str, reading: str = "auto") -> FileTable:
        return FileTable(path=str(made.folder / name), reading=reading)

    names = ("t.csv", "t.parquet", "t.npy")
    assert [size.read_in_parts(table(name)) for name in names] == [False] * 3
    assert all(size.read_in_parts(table(name, "stream")) for name in names)
    monkeypatch.setattr(size, "MOST_CELLS", 30_000)
    assert [size.read_in_parts(table(name)) for name in names] == [True] * 3
    assert not size.read_in_parts(table("t.csv", "memory"))
    monkeypatch.setattr(size, "MOST_CELLS", 10**8)
    monkeypatch.setattr(size.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 8_000_000})())
    # Text takes more memory than arrays: only it would fill a quarter of what is free here.
    assert [size.read_in_parts(table(name)) for name in names] == [True, True, False]
    with pytest.raises(errors.NoFileError):
        size.read_in_parts(table("none.csv"))


def test_excel_is_opened_whole_or_refused_in_words(tmp_path: Path, monkeypatch: Any) -> None:
    from .test_table import minimal_xlsx

    path = tmp_path / "t.xlsx"
    path.write_bytes(minimal_xlsx())
    with pytest.raises(errors.NotInPartsError, match="opened whole") as caught:
        run(FitConfig(data=FileTable(path=str(path), reading="stream")), tmp_path)
    assert "CSV or Parquet" in caught.value.remedy
    assert size.known_size(FileTable(path=str(path))) is None
    monkeypatch.setattr(size.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 100})())
    with pytest.raises(errors.TooLargeError, match="does not fit into memory"):
        size.read_in_parts(FileTable(path=str(path)))


def test_a_workbook_tells_its_size(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as book:
        book.writestr("xl/worksheets/sheet2.xml", '<worksheet><dimension ref="A1:AB4001"/><sheetData/></worksheet>')
    found = size.file_size(FileTable(path=str(tmp_path / "t.xlsx"), sheet=2, label="k"))
    assert (found.rows, found.columns, found.parts) == (4000, 27, False)
    assert size.known_size(FileTable(path=str(tmp_path / "t.xlsx"), sheet=1)) is None


def test_estimates_of_files_are_known(made: Made, tmp_path: Path) -> None:
    def estimate(name: str, **more: Any) -> dict[str, float | None]:
        data = {"source": "file", "path": str(made.folder / name), "label": "", **more}
        return Estimates({}, {}).estimate({"name": "mixture.fit", "config": {"data": data}}, None)  # type: ignore[arg-type]

    builtin = {"source": "builtin", "name": "generated", "rows": N, "dimension": 3}
    same = Estimates({}, {}).estimate({"name": "mixture.fit", "config": {"data": builtin}}, None)  # type: ignore[arg-type]
    for name in ("t.csv", "t.parquet", "t.npy"):
        found = estimate(name)
        assert found["seconds"] is not None and same["seconds"] is not None
        assert same["seconds"] <= found["seconds"] < same["seconds"] + 1
        streamed = estimate(name, reading="stream")
        assert streamed["seconds"] is not None and 1 < streamed["seconds"] < 3 * same["seconds"]
    assert estimate("absent.csv") == {"seconds": None, "bytes": None}
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 broken")
    assert estimate(str(tmp_path / "broken.parquet")) == {"seconds": None, "bytes": None}
    found = size.known_size(FileTable(path=str(made.folder / "t.csv"), label="k"))
    assert found is not None and found.rows == pytest.approx(N, rel=0.02) and found.columns == 3


def test_a_streamed_estimate_grows_with_the_rows(tmp_path: Path) -> None:
    seconds = []
    for rows in (10**7, 10**8):
        # Only the header is looked at: the rows are a hole in the file.
        with open(tmp_path / f"{rows}.npy", "wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (rows, 10)})
            file.truncate(file.tell() + rows * 80)
        config = FitConfig(data=FileTable(path=str(tmp_path / f"{rows}.npy")), components=5)
        seconds.append(catalogue.task("mixture.fit").estimate(config).seconds)
    assert 5 < seconds[1] / seconds[0] < 12


def test_large_files_are_glanced_at(made: Made, tmp_path: Path, monkeypatch: Any) -> None:
    from engine.studies.mixture import session

    from .test_preview import Quiet

    monkeypatch.setattr(session, "LOOK_BYTES", 10_000)
    monkeypatch.setattr(session, "ROWS", 2000)
    preview = session.SERVICES["mixture.preview"]({}, {})
    for name in ("t.csv", "t.parquet"):
        data = {"source": "file", "path": str(made.folder / name), "label": "k"}
        found = preview.look({"data": data}, Quiet())
        assert found["file_rows"] == pytest.approx(N, rel=0.02)
        assert (found["exact"], found["classes"]) == (name == "t.parquet", 3)
        assert 1500 < found["rows"] == found["sampled"] < 2300
        low = {column["name"]: column["low"] for column in found["columns"]}
        assert low["c0"] == pytest.approx(made.x[:, 0].min(), abs=3)
        scree = preview.scree({"data": data, "components": 3}, Quiet())
        expected = np.linalg.eigvalsh(np.corrcoef(made.x.T))[::-1]
        np.testing.assert_allclose(scree["values"], expected, rtol=0.2)
    whole = preview.look({"data": {"source": "builtin", "name": "iris"}}, Quiet())
    assert (whole["sampled"], whole["exact"]) == (0, True)


def test_broken_rows_and_faults_end_the_run_in_a_sentence(made: Made, tmp_path: Path) -> None:
    lines = (made.folder / "t.csv").read_text().splitlines()
    for place, bad, sentence in (
        (9000, "1,2", "Line 9001 of .* has 2 cells"), (9000, "1,inf,2,p", "infinite values. The first is in row 9000"),
    ):  # fmt: skip
        path = tmp_path / f"{place}{len(bad)}.csv"
        path.write_text("\n".join([*lines[:place], bad, *lines[place + 1 :]]))
        with pytest.raises(errors.TableError) as caught:
            run(config(path), tmp_path)
        assert re.search(sentence, caught.value.sentence())
