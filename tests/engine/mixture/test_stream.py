"""Tables larger than memory: the same numbers as in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine.studies.mixture.em.em import Control, expectation_maximisation
from engine.studies.mixture.em.kernels import FeatureKernel
from engine.studies.mixture.em.sweep import MemoryRows, sweep
from engine.studies.mixture.model.agreement import adjusted_rand_index
from engine.studies.mixture.search.fit import Options, fit, prepare, starts_of
from engine.studies.mixture.search.streamed import fit_stream
from engine.studies.mixture.tables import errors as errors
from engine.studies.mixture.tables.stream import Source, StreamRows, summarise

from .conftest import blobs


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    x, y = blobs(5000, np.array([[0.0, 0, 0], [6, 0, 0], [0, 7, 2]]), seed=5)
    x += 1e4
    folder = tmp_path_factory.mktemp("stream")
    frame = pl.DataFrame({name: x[:, i] for i, name in enumerate("abc")})
    frame.with_columns(pl.lit("word").alias("text")).write_parquet(folder / "t.parquet")
    frame.write_csv(folder / "t.csv")
    np.save(folder / "t.npy", x)
    return x, y, folder


@pytest.mark.parametrize("name", ["t.parquet", "t.csv", "t.npy"])
def test_chunks_are_the_rows_of_the_file(name: str, table: tuple) -> None:
    x, _, folder = table
    source = Source(folder / name, chunk=700)
    parts = list(source.chunks())
    assert len(parts) > 1
    np.testing.assert_array_equal(np.concatenate(parts), x)
    assert [one.name for one in source.left_out] == (["text"] if name == "t.parquet" else [])
    found = summarise(source)
    assert (found.n, found.dropped) == (5000, 0)


def test_summary_is_exact_far_from_the_origin(table: tuple) -> None:
    x, _, folder = table
    found = summarise(Source(folder / "t.parquet", chunk=333))
    assert (found.n, found.dropped) == (5000, 0)
    np.testing.assert_allclose(found.mean, x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(found.covariance, np.cov(x.T, bias=True), rtol=1e-10)


@pytest.mark.parametrize("family", ["VVV", "VVI"])
def test_streamed_sums_and_fits_equal_those_in_memory(family: str, table: tuple) -> None:
    x, _, folder = table
    task = prepare(x, 3, family, Options(prior="off"))
    params = starts_of(task, Options()).parameters([0, 1])
    rows = StreamRows(Source(folder / "t.parquet", chunk=617), task.frame, len(x))
    a, b = sweep(task.rows, params), sweep(rows, params)
    for name in ("log_likelihood", "n", "first", "second"):
        left, right = getattr(a, name), getattr(b, name)
        assert np.abs(left - right).max() <= 1e-9 * np.abs(left).max()
    one, two = (expectation_maximisation(r, params, family, task.guard, Control(1e-8, 15)) for r in (task.rows, rows))
    np.testing.assert_allclose(one.log_likelihood, two.log_likelihood, rtol=1e-9)
    np.testing.assert_allclose(one.params.means, two.params.means, atol=1e-9)
    np.testing.assert_allclose(rows.row(4321), task.rows.row(4321), atol=1e-10)
    np.testing.assert_allclose(np.concatenate([phi[:, -4:-1] for _, phi in rows.blocks(FeatureKernel(), float, 99)]),
                               task.rows.x, atol=1e-10)  # fmt: skip


def test_chunks_pass_over_a_device_of_torch(table: tuple) -> None:
    from engine.studies.mixture.em.device_rows import DeviceRows, rows_on

    x, _, folder = table
    task = prepare(x, 3, "VVV", Options(prior="off"))
    params = starts_of(task, Options()).parameters([0, 1])
    held: list[object] = []

    def hold(y: np.ndarray) -> MemoryRows:
        held.append(rows_on("cpu", y))
        return held[-1]  # type: ignore[return-value]

    rows = StreamRows(Source(folder / "t.npy", chunk=617), task.frame, len(x), hold)
    a, b = sweep(task.rows, params), sweep(rows, params)
    np.testing.assert_allclose(a.log_likelihood, b.log_likelihood, rtol=1e-12)
    np.testing.assert_allclose(a.second, b.second, rtol=1e-9, atol=1e-9)
    assert len(held) == 9 and all(isinstance(one, DeviceRows) for one in held)


def test_sampled_race_ends_at_the_maximum_of_all_rows(table: tuple) -> None:
    x, y, folder = table
    source = Source(folder / "t.parquet")
    options = Options(starts=10, prior="off")
    found = fit_stream(source, 3, options=options, sample=800)
    whole = fit(x, 3, options=options)
    assert found.n == 5000
    assert found.log_likelihood == pytest.approx(whole.log_likelihood, abs=0.5)
    assert found.log_likelihood == pytest.approx(found.mixture.log_density(x).sum(), abs=1e-4)
    assert adjusted_rand_index(y, found.mixture.labels(np.concatenate(list(source.chunks())))) > 0.9
    small = fit_stream(source, 3, options=options, sample=10_000)
    assert small.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-6)


def test_incomplete_rows_are_counted_and_infinite_ones_refused(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1.0, None, 3.0, 4.0], "b": [1.0, 2.0, float("nan"), 5.0]}).write_parquet(tmp_path / "m.parquet")
    found = summarise(Source(tmp_path / "m.parquet"))
    assert (found.n, found.dropped) == (2, 2)
    pl.DataFrame({"a": [1.0, 2.0], "b": [0.0, float("inf")]}).write_parquet(tmp_path / "i.parquet")
    with pytest.raises(errors.InfiniteColumnError, match="Column b"):
        summarise(Source(tmp_path / "i.parquet"))


def test_bad_sources_end_in_a_sentence(tmp_path: Path, table: tuple) -> None:
    with pytest.raises(errors.NoFileError):
        Source(tmp_path / "absent.parquet")
    (tmp_path / "a.pdf").write_text("x")
    with pytest.raises(errors.UnknownTableError):
        Source(tmp_path / "a.pdf")
    (tmp_path / "b.parquet").write_text("broken")
    with pytest.raises(errors.BrokenFileError):
        Source(tmp_path / "b.parquet")
    pl.DataFrame({"t": ["a", "b"]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(errors.NoColumnsError):
        Source(tmp_path / "t.parquet")
    with pytest.raises(errors.UnknownColumnError):
        Source(table[2] / "t.csv", columns=["z"])
    pl.DataFrame({"a": [1.0]}).write_parquet(tmp_path / "o.parquet")
    with pytest.raises(errors.OneRowError):
        summarise(Source(tmp_path / "o.parquet"))
    assert Source(table[2] / "t.csv", columns=["c", "a"]).names == ("c", "a")
