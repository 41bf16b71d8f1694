"""Moments agree with NumPy on whole columns, keep their digits, and merge exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from butfor.core.errors import InfiniteValues, InvalidSetting, NonNumeric, UnknownColumn
from butfor.data.dataset import Dataset, open_dataset
from butfor.data.moments import Measure, MomentRequest, Term


def frame(n: int = 4000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    value = 1e9 + rng.normal(size=n)
    value[rng.random(n) < 0.5] = np.nan
    return {
        "arm": rng.integers(0, 2, n),
        "stratum": rng.choice(["a", "b"], n),
        "value": value,
        "cost": rng.exponential(size=n),
        "person": rng.integers(0, 300, n),
    }


VALUE, COST = Measure.of("value"), Measure.of("cost")


def test_means_and_variances_are_those_of_the_present_values() -> None:
    data = frame()
    found = open_dataset(data).moments(MomentRequest((VALUE, COST), ("arm",)))
    for j, (arm,) in enumerate(found.groups):
        here = data["value"][data["arm"] == arm]
        present = here[~np.isnan(here)]
        share = found.mean[j, found.presence(VALUE)]
        mean = found.mean[j, found.at(VALUE)] / share
        assert found.request.centre["value"] + mean == pytest.approx(present.mean(), abs=1e-6)
        residual = np.zeros(3 + 2)
        residual[[found.at(VALUE), found.presence(VALUE)]] = 1.0, -mean
        assert residual @ found.comoment[j] @ residual == pytest.approx(present.var() * len(present), rel=1e-6)
        assert found.missing(VALUE)[j] == np.isnan(here).sum()


def test_coarser_groups_are_pooled_and_batches_add_up() -> None:
    data = frame()
    request = MomentRequest((VALUE, COST), ("arm", "stratum"))
    fine = open_dataset(data).moments(request)
    direct = open_dataset(data).moments(replace(request, by=("arm",)))
    np.testing.assert_allclose(fine.pool(["arm"]).comoment, direct.comoment, atol=1e-9)
    late = {name: values[1000:] for name, values in data.items()}
    early = {name: values[:1000] for name, values in data.items()}
    same = replace(request, centre=fine.request.centre)
    total = open_dataset(early).moments(same) + open_dataset(late).moments(same)
    assert total.groups == fine.groups
    np.testing.assert_allclose(total.comoment, fine.comoment, atol=1e-9)


def test_units_are_sums_of_their_rows() -> None:
    data = frame()
    found = open_dataset(data).moments(MomentRequest((COST,), ("arm",), unit="person", centre={"cost": 0.0}))
    for j, (arm,) in enumerate(found.groups):
        here = data["arm"] == arm
        totals = np.bincount(data["person"][here], weights=data["cost"][here], minlength=300)
        sizes = np.bincount(data["person"][here], minlength=300)
        both = np.vstack([totals[sizes > 0], sizes[sizes > 0]])
        places = [found.at(COST), found.presence(())]
        assert found.units[j] == (sizes > 0).sum()
        np.testing.assert_allclose(found.mean[j, places], both.mean(axis=1))
        np.testing.assert_allclose(found.comoment[j][np.ix_(places, places)], np.cov(both, bias=True) * found.units[j])


def test_terms_cap_count_and_multiply() -> None:
    data = {"x": [1.0, 5.0, 9.0], "g": ["u", "v", "u"]}
    capped = Measure((Term(column="x", ceiling=6.0),))
    below = Measure((Term(column="x", at_most=5.0),))
    product = Measure((Term(column="x"), Term(column="g", equals="u")))
    found = open_dataset(data).moments(MomentRequest((capped, below, product), centre={"x": 0.0}))
    np.testing.assert_allclose(found.mean[0, :3], [4.0, 2 / 3, 10 / 3])


def test_a_missing_level_is_a_group_of_its_own() -> None:
    found = open_dataset({"arm": ["b", None, "a"], "x": [1.0, 2.0, 3.0]}).moments(
        MomentRequest((Measure.of("x"),), ("arm",))
    )
    assert found.groups == (("a",), ("b",), (None,))


def test_what_is_no_finite_number_is_refused() -> None:
    data = open_dataset({"t": ["a", "b"], "x": [1.0, np.inf]})
    with pytest.raises(NonNumeric, match="holds text"):
        data.moments(MomentRequest((Measure.of("t"),)))
    with pytest.raises(InfiniteValues, match="1 infinite"):
        data.moments(MomentRequest((Measure.of("x"),)))
    with pytest.raises(UnknownColumn, match="'z'"):
        data.moments(MomentRequest((Measure.of("z"),)))


def test_requests_of_other_groups_do_not_merge() -> None:
    one = MomentRequest((VALUE,), ("arm",))
    assert (one | MomentRequest((COST, VALUE), ("arm",))).measures == (VALUE, COST)
    with pytest.raises(InvalidSetting, match="the same groups"):
        _ = one | MomentRequest((COST,))


HOSTILE = 'v"alue; DROP'


@pytest.fixture
def everywhere(tmp_path: Path) -> list[Dataset]:
    """The same rows in memory, as a DuckDB relation, as Parquet and in a DuckDB file; with a name hostile to SQL."""
    data = frame() | {"kept": np.random.default_rng(1).integers(0, 2, 4000) == 1}
    data[HOSTILE] = data.pop("value")
    data["g0"], data["v0"] = data["cost"] + 1.0, data["cost"] + 2.0
    connection = duckdb.connect()
    table = pa.table({**data, "arm": pa.array([None if j % 97 == 0 else int(a) for j, a in enumerate(data["arm"])])})
    connection.register("rows_here", table)
    relation = connection.sql("SELECT * FROM rows_here")
    pq.write_table(table, tmp_path / "rows.parquet")
    with duckdb.connect(str(tmp_path / "rows.duckdb")) as file:
        file.execute("CREATE TABLE facts AS SELECT * FROM read_parquet(?)", [str(tmp_path / "rows.parquet")])
    return [
        open_dataset(table),
        open_dataset(relation),
        open_dataset(tmp_path / "rows.parquet"),
        open_dataset(tmp_path / "rows.duckdb", table="facts"),
    ]


@pytest.mark.parametrize("unit", [None, "person"])
def test_every_engine_gives_the_same_moments(everywhere: list[Dataset], unit: str | None) -> None:
    value = Measure.of(HOSTILE, needs=[HOSTILE, "cost"])
    measures = (
        value,
        Measure.of("cost"),
        Measure((Term(column="g0", ceiling=2.0, floor=1.1),)),
        Measure((Term(column="v0", at_most=2.5), Term(column="stratum", equals="b"))),
        Measure((Term(column="cost"), Term(column="kept", equals=True)), ()),
    )
    centre = {HOSTILE: 1e9, "cost": 1.0, "g0": 0.0}
    request = MomentRequest(measures, ("arm", "stratum"), unit=unit, centre=centre)
    memory, *others = [data.moments(request) for data in everywhere]
    assert len(memory.groups) == 6
    for other in others:
        assert other.groups == memory.groups
        np.testing.assert_allclose(other.rows, memory.rows)
        np.testing.assert_allclose(other.units, memory.units)
        np.testing.assert_allclose(other.mean, memory.mean, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(other.comoment, memory.comoment, rtol=1e-10, atol=1e-8)


def test_engines_choose_centres_that_keep_the_digits(tmp_path: Path) -> None:
    late = np.concatenate([np.full(1000, np.nan), 1e9 + np.random.default_rng(2).normal(size=3000)])
    pq.write_table(pa.table({"x": late, "arm": np.arange(4000) % 2}), tmp_path / "late.parquet")
    measure = Measure.of("x")
    found = open_dataset(tmp_path / "late.parquet").moments(MomentRequest((measure,), ("arm",)))
    assert found.request.centre["x"] == pytest.approx(1e9, abs=1.0)
    assert found.missing(measure).tolist() == [500.0, 500.0]
    for j in range(2):
        here = late[j::2][500:]
        residual = np.array([1.0, 0.0, -found.mean[j, 0] / found.mean[j, found.presence(measure)]])
        assert residual @ found.comoment[j] @ residual / 1500 == pytest.approx(here.var(), rel=1e-6)


def test_infinite_values_and_text_are_refused_where_the_data_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0, np.inf], "t": ["a", "b"]}), tmp_path / "odd.parquet")
    data = open_dataset(tmp_path / "odd.parquet")
    with pytest.raises(InfiniteValues, match="infinite values"):
        data.moments(MomentRequest((Measure.of("x"),)))
    with pytest.raises(NonNumeric, match="holds text"):
        data.moments(MomentRequest((Measure.of("t"),)))
