"""What users do with a forest: score files of any size, save it and load it, ask who gains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.core.errors import InvalidSetting, NonNumeric, UnknownColumn, UnreadableData
from butfor.estimators.forest import model
from butfor.estimators.forest.causal import CausalForest
from butfor.estimators.forest.fit import ForestFit
from butfor.estimators.forest.model import load_effects
from tests.estimators.test_causal_forest import FOREST, PLAIN, Frame, world

ROLES: dict[str, Any] = {"treatment": "t", "outcome": "y", "covariates": ["x1", "x2", "region"]}
both = pytest.mark.parametrize("forest", [FOREST, PLAIN], ids=["slopes", "plain"])


def customers(n: int = 300, seed: int = 0) -> Frame:
    frame = world(n, seed)
    region = np.random.default_rng(seed + 100).choice(["east", "north", "west"], n)
    return frame | {"region": region, "y": frame["y"] + frame["t"] * (region == "west"), "id": np.arange(n) + 2**60}


def fit(forest: CausalForest, **settings: Any) -> ForestFit:
    found = forest.fit(customers(), **(ROLES | settings))
    assert isinstance(found, ForestFit)
    return found


# --- files -----------------------------------------------------------------------------------------------------------


@both
def test_effects_of_a_file_are_those_of_the_frame_however_it_is_cut(
    forest: CausalForest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, new = fit(forest), customers(500, seed=1)
    whole = found.effect(new)
    pa.parquet.write_table(pa.table(new), tmp_path / "new.parquet")
    monkeypatch.setattr(model, "BATCH", 64)
    for part in (found.effect(tmp_path / "new.parquet"), found.effect(new)):
        assert_array_equal(part.value, whole.value)
        assert_array_equal(part.std_error, whole.std_error)
    assert part.labels == whole.labels


def test_no_new_rows_have_no_effects() -> None:
    found = fit(FOREST).effect({name: column[:0] for name, column in customers().items()})
    assert found.value.shape == (0, 1)
    assert found.interval().shape == (0, 1, 2)


@both
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_scored_file_holds_effects_beside_the_columns_to_keep(
    forest: CausalForest, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, new = fit(forest), customers(500, seed=1)
    monkeypatch.setattr(model, "BATCH", 64)
    pa.parquet.write_table(pa.table(new), tmp_path / "new.parquet")
    target = tmp_path / f"effects{suffix}"
    count = found.model.score_file(tmp_path / "new.parquet", target, keep=["id", "region", "x1"], level=0.9)
    table = pa.parquet.read_table(target) if suffix == ".parquet" else pa.csv.read_csv(target)
    assert count == table.num_rows == 500
    assert table.column_names == ["id", "region", "x1", "effect", "std_error", "conf_low", "conf_high"]
    effects = found.effect(new)
    limits = effects.interval(0.9)[:, 0]
    expected = {"effect": effects.value[:, 0], "conf_low": limits[:, 0], "conf_high": limits[:, 1], "x1": new["x1"]}
    for name, values in expected.items():
        assert_allclose(table[name].to_numpy(), values, rtol=1e-12)
    assert table["id"].to_pylist() == new["id"].tolist()
    assert table["region"].to_pylist() == new["region"].tolist()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_scored_file_of_no_rows_has_its_columns(tmp_path: Path) -> None:
    nothing = {name: column[:0] for name, column in customers().items()}
    assert fit(PLAIN).model.score_file(nothing, tmp_path / "effects.parquet", keep=["x1"]) == 0
    assert pa.parquet.read_table(tmp_path / "effects.parquet").column_names[:2] == ["x1", "effect"]


def test_columns_to_keep_may_have_gaps_that_are_not_covariates(tmp_path: Path) -> None:
    new = customers(6, seed=1) | {"visits": np.array([1.0, np.nan, 3.0, 4.0, np.nan, 6.0])}
    fit(PLAIN).model.score_file(new, tmp_path / "effects.parquet", keep=["visits"])
    assert pa.parquet.read_table(tmp_path / "effects.parquet")["visits"].to_pylist() == [1, None, 3, 4, None, 6]


def test_what_cannot_be_scored_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, new = fit(PLAIN).model, customers(100, seed=1)
    monkeypatch.setattr(model, "BATCH", 10)
    target = tmp_path / "effects.parquet"
    late = new | {"amount": np.where(np.arange(100) < 50, 1.0, 0.5)}
    cases: list[tuple[Any, dict[str, Any], type[Exception]]] = [
        ({"x1": new["x1"]}, {}, UnknownColumn),
        (new, {"keep": ["nothing"]}, UnknownColumn),
        (new | {"effect": new["x1"]}, {"keep": ["effect"]}, InvalidSetting),
        (new | {"x1": new["region"]}, {}, NonNumeric),
        (new, {"level": 1.0}, InvalidSetting),
        (late, {"keep": ["amount"]}, InvalidSetting),
    ]
    for data, settings, error in cases:
        with pytest.raises(error):
            found.score_file(data, target, **settings)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidSetting, match="parquet"):
        found.score_file(new, tmp_path / "effects.xlsx")


# --- saved and loaded ------------------------------------------------------------------------------------------------


@both
def test_saved_effects_are_the_same_bits_when_loaded(forest: CausalForest, tmp_path: Path) -> None:
    found, new = fit(forest), customers(200, seed=1)
    found.model.save(tmp_path / "effects.npz")
    loaded = load_effects(tmp_path / "effects.npz")
    one, two = found.effect(new), loaded.effect(new)
    assert_array_equal(two.value, one.value)
    assert_array_equal(two.std_error, one.std_error)
    assert two.labels == one.labels == ("t: 1 - 0",)
    assert loaded.covariates.columns == ("x1", "x2", "region=north", "region=west")
    loaded.save(tmp_path / "again.npz")
    assert_array_equal(load_effects(tmp_path / "again.npz").effect(new).value, one.value)


def test_weights_and_doses_are_saved_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    frame = {"t": x[:, 0] + rng.normal(size=300), "x1": x[:, 0], "x2": x[:, 1], "w": rng.uniform(1, 2, 300)}
    frame["y"] = frame["t"] * (1 + frame["x1"]) + rng.normal(size=300)
    dose = replace(FOREST, treatment_model=bf.LinearModel())
    roles = ROLES | {"covariates": ["x1", "x2"], "weights": "w", "contrast": (3, 1)}
    found = dose.fit(frame, **roles)
    assert isinstance(found, ForestFit)
    found.model.save(tmp_path / "effects.npz")
    assert_array_equal(load_effects(tmp_path / "effects.npz").effect(frame).value, found.effect(frame).value)


def test_a_saved_plain_forest_is_small(tmp_path: Path) -> None:
    """A tree is 8 bytes per node and 4 numbers per leaf, before compression."""
    found = fit(PLAIN)
    found.model.save(tmp_path / "effects.npz")
    assert found.forest is not None
    trees = found.forest.trees
    assert (tmp_path / "effects.npz").stat().st_size < 8 * len(trees.nodes) + 32 * len(trees.leaves) + 20_000


def test_files_that_hold_no_effects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    np.savez(tmp_path / "other.npz", head=np.zeros(3))
    (tmp_path / "bytes.npz").write_bytes(b"PK\x03\x04 no zip")
    (tmp_path / "empty.npz").write_bytes(b"")
    for name in ("objects.npy", "numbers.npy", "other.npz", "bytes.npz", "empty.npz", "nowhere.npz"):
        with pytest.raises(UnreadableData) as caught:
            load_effects(tmp_path / name)
        assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("nodes", 0, 2**64 - 1),
        ("nodes", -1, 2**63),
        ("node_start", 1, 10**9),
        ("node_start", 1, -5),
        ("leaf_start", -1, 3),
        ("members", 0, 10**6),
        ("members", 0, -1),
        ("member_end", 0, 10**9),
        ("cut_start", -1, 10**6),
    ],
)
def test_arrays_that_lead_nowhere_are_refused(name: str, place: int, value: int, tmp_path: Path) -> None:
    fit(FOREST).model.save(tmp_path / "effects.npz")
    with np.load(tmp_path / "effects.npz") as file:
        arrays = {key: file[key].copy() for key in file.files}
    arrays[name][place] = value
    stored: dict[str, Any] = arrays
    np.savez(tmp_path / "broken.npz", **stored)
    with pytest.raises(UnreadableData):
        load_effects(tmp_path / "broken.npz")


# --- who gains -------------------------------------------------------------------------------------------------------


def gains(n: int = 3000, seed: int = 0) -> Frame:
    """Only customers of the west with x1 above zero gain, two units."""
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n))
    region = rng.choice(["east", "west"], n)
    t = rng.integers(0, 2, n)
    y = x2 + t * 2.0 * ((x1 > 0) & (region == "west")) + rng.normal(size=n)
    return {"t": t, "y": y, "x1": x1, "x2": x2, "region": region, "block": np.arange(n) // 5}


@pytest.mark.parametrize("settings", [{}, {"cluster": "block"}])
def test_rules_find_who_gains_and_how_much(settings: dict[str, Any]) -> None:
    found = replace(FOREST, min_node_size=20).fit(gains(), **(ROLES | settings))
    assert isinstance(found, ForestFit)
    estimate = found.explain_effects(depth=2)
    best = estimate.labels[-1]
    assert "region is west" in best
    assert " and x1 > " in best or "x1 > " in best.split(" | ")[1]
    # The best rule holds units that gain 2, up to a cut that may be a little off; the others gain nothing.
    assert abs(estimate.value[-1] - 2.0) < 4 * estimate.std_error[-1] + 0.3
    assert np.all(np.abs(estimate.value[:2]) < 4 * estimate.std_error[:2] + 0.3)


def test_rules_are_asked_about_rows_that_did_not_choose_them() -> None:
    """Where nobody gains, effects of rules differ by chance only: 20 draws, each |z| below 4."""
    largest = []
    for seed in range(20):
        frame = gains(600, seed)
        frame["y"] = frame["x2"] + np.random.default_rng(seed + 50).normal(size=600)
        found = replace(PLAIN, trees=50).fit(frame, **ROLES)
        assert isinstance(found, ForestFit)
        estimate = found.explain_effects(depth=2)
        gap = estimate.contrast(np.array([[-1.0, *np.zeros(len(estimate.labels) - 2), 1.0]]))
        largest.append(float(gap.value[0] / gap.std_error[0]))
    assert np.abs(largest).max() < 4
    # Rules that had seen these rows would put the larger effect last: the mean of 20 standard normals stays below .9.
    assert abs(np.mean(largest)) < 4 / np.sqrt(20)


def test_rules_of_an_amount_are_about_its_slope() -> None:
    rng = np.random.default_rng(0)
    x1, x2, push = rng.normal(size=(3, 2000))
    frame = {"t": push, "y": push * 2.0 * (x1 > 0) + rng.normal(size=2000), "x1": x1, "x2": x2}
    roles = ROLES | {"covariates": ["x1", "x2"]}
    found = replace(FOREST, treatment_model=bf.LinearModel()).fit(frame, **roles)
    assert isinstance(found, ForestFit)
    low, high = found.explain_effects(depth=1).value
    assert abs(low) < 0.5
    assert abs(high - 2.0) < 0.5
    groups = found.group_effects({"right": x1 > 0})
    assert abs(groups.value[0] - 2.0) < 4 * groups.std_error[0]


@pytest.mark.parametrize("settings", [{"depth": 0}, {"depth": 7}, {"smallest": 0.0}, {"smallest": 0.6}], ids=repr)
def test_rules_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting):
        fit(PLAIN).explain_effects(**settings)
