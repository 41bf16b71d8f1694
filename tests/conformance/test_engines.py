"""The same data through every door give the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from tests.conformance.enrolled import ALL, Enrolled
from tests.conformance.worlds import COVARIATES, Frame, world


def _parquet(frame: Frame, folder: Path) -> str:
    pq.write_table(pa.table(frame), folder / "data.parquet")
    return str(folder / "data.parquet")


def _parts(frame: Frame, folder: Path) -> str:
    table = pa.table(frame)
    for number, start in enumerate(range(0, table.num_rows, 100)):
        pq.write_table(table.slice(start, 100), folder / f"part-{number}.parquet")
    return str(folder / "part-*.parquet")


def _csv(frame: Frame, folder: Path) -> Path:
    pd.DataFrame(frame).to_csv(folder / "data.csv", index=False)
    return folder / "data.csv"


def _relation(frame: Frame, _: Path) -> Any:
    return duckdb.connect().from_arrow(pa.table(frame))


DOORS: dict[str, Callable[[Frame, Path], Any]] = {
    "pandas": lambda frame, _: pd.DataFrame(frame),
    "polars": lambda frame, _: pl.DataFrame(frame),
    "polars-lazy": lambda frame, _: pl.LazyFrame(frame),
    "pyarrow": lambda frame, _: pa.table(frame),
    "duckdb": _relation,
    "parquet": _parquet,
    "parquet-glob": _parts,
    "csv": _csv,
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("enrolled", [e for e in ALL if e.exact], ids=lambda e: e.id)
def test_every_door_gives_the_same_bits(enrolled: Enrolled, door: str, tmp_path: Path) -> None:
    frame = world(enrolled.treatments[0])
    roles: dict[str, Any] = {"treatment": "treatment", "outcome": "outcome", "covariates": COVARIATES}
    reference = enrolled.estimator.fit(frame, **roles).estimate()
    estimate = enrolled.estimator.fit(DOORS[door](frame, tmp_path), **roles).estimate()
    assert_array_equal(estimate.value, reference.value)
    assert_array_equal(estimate.influence, reference.influence)
    assert np.isfinite(estimate.std_error).all()
