"""Row keys and fingerprints."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from butfor.data import Sample, draw_sample, open_dataset, sample_request
from butfor.data.content import dense_rank, rank_key
from butfor.question import Question

N = 300
GENERATOR = np.random.default_rng(11)
DATA = {
    "t": GENERATOR.integers(0, 2, N),
    "y": GENERATOR.normal(size=N),
    "x": GENERATOR.normal(size=N),
    "k": GENERATOR.integers(0, 4, N),
    "g": GENERATOR.choice(list("abc"), N),
    "v": np.arange(N) // 5,
    "w": GENERATOR.uniform(0.5, 1.5, N),
}
ADJUST_FOR = ("x", "k", "g")


def draw(data: dict[str, Any], **roles: Any) -> Sample:
    question = Question("t", "y")
    return draw_sample(
        open_dataset(data).read(sample_request(question, ADJUST_FOR, **roles)), question, ADJUST_FOR, **roles
    )


def test_keys_follow_their_rows() -> None:
    order = np.random.default_rng(0).permutation(N)
    shuffled = {name: values[order] for name, values in DATA.items()}
    assert np.array_equal(draw(shuffled).row_key, draw(DATA).row_key[order])
    assert len(np.unique(draw(DATA).row_key)) == N


@pytest.mark.parametrize("changed", ["y", "x", "k"])
def test_keys_do_not_depend_on_units(changed: str) -> None:
    other = DATA | {changed: DATA[changed] * 1000.0 - 273.15}
    assert np.array_equal(draw(other).row_key, draw(DATA).row_key)


def test_keys_do_not_depend_on_treatment_or_weights() -> None:
    assert np.array_equal(draw(DATA | {"t": 1 - DATA["t"]}).row_key, draw(DATA).row_key)
    assert np.array_equal(draw(DATA, weights="w").row_key, draw(DATA).row_key)


def test_repeated_rows_share_a_key_and_move_no_other() -> None:
    times = np.random.default_rng(2).integers(1, 4, N)
    repeated = {name: np.repeat(values, times) for name, values in DATA.items()}
    assert np.array_equal(draw(repeated).row_key, np.repeat(draw(DATA).row_key, times))


def few_kinds(rows: int = 600) -> dict[str, Any]:
    """Rows of 12 kinds: x and k with six combinations, y with two values; t, z and w differ within a kind."""
    rng = np.random.default_rng(4)
    x, k, g = rng.integers(0, 2, rows), rng.integers(0, 3, rows), np.full(rows, "a")
    t, z, y = rng.integers(0, 2, (3, rows))
    return {"t": t, "y": y, "x": x, "k": k, "g": g, "v": np.arange(rows) // 5, "z": z, "w": rng.uniform(1, 2, rows)}


def test_rows_of_few_kinds_are_told_apart() -> None:
    # If all rows with x = 1 and y = 1 left the data together, the rest would say that y is 0 wherever x is 1.
    data = few_kinds()
    key = draw(data).row_key
    alike = np.unique(np.stack([data["x"], data["k"], data["y"], data["t"]]), axis=1, return_inverse=True)[1]
    for kind in np.unique(alike):
        inside = key[alike == kind]
        assert len(np.unique(inside)) == len(inside)
    assert len(np.unique(draw(data, cluster="v").row_key)) == len(key) // 5


@pytest.mark.parametrize("roles", [{}, {"instrument": "z", "weights": "w"}])
def test_rows_of_few_kinds_are_numbered_in_any_order_and_for_any_names_of_the_arms(roles: dict[str, Any]) -> None:
    data = few_kinds()
    order = np.random.default_rng(5).permutation(len(data["t"]))
    shuffled = {name: values[order] for name, values in data.items()}
    swapped = data | {"t": 1 - data["t"]}
    columns = [data[name] for name in ("x", "k", "y", "t", *roles.values())]

    def listed(key: np.ndarray, columns: list[np.ndarray]) -> list[tuple[Any, ...]]:
        return sorted(zip(*(c.tolist() for c in columns), key.tolist(), strict=True))

    one, two = draw(data, **roles).row_key, draw(shuffled, **roles).row_key
    assert listed(one, columns) == listed(two, [c[order] for c in columns])
    assert np.array_equal(draw(swapped, **roles).row_key, one)


def test_an_amount_tells_rows_of_few_kinds_apart() -> None:
    data = few_kinds() | {"t": np.random.default_rng(6).normal(size=600)}
    assert len(np.unique(draw(data).row_key)) == 600


def test_clusters_share_a_key() -> None:
    sample = draw(DATA, cluster="v")
    assert len(np.unique(sample.row_key)) == N // 5
    assert np.array_equal(sample.row_key, np.repeat(sample.row_key[::5], 5))
    renamed = draw(DATA | {"v": DATA["v"] * 10 + 3}, cluster="v")
    assert np.array_equal(renamed.row_key, sample.row_key)


def test_refits_keep_the_keys() -> None:
    for asked_before in (True, False):
        sample, original = draw(DATA), draw(DATA)
        if asked_before:
            assert len(sample.row_key) == N
        changed = (
            sample.with_outcome("noise", np.random.default_rng(1).normal(size=N)),
            sample.with_treatment(sample.treatment.with_codes(1 - sample.treatment.codes)),
            sample.with_covariates(sample.covariates.without("x")),
        )
        for refit in changed:
            assert np.array_equal(refit.row_key, original.row_key)
            assert refit.fingerprint == original.fingerprint
        rows = np.array([4, 4, 9])
        assert np.array_equal(sample.take(rows).take(np.array([2, 0])).row_key, original.row_key[[9, 4]])
        kept = np.arange(N) < 7
        assert np.array_equal(sample.take(kept).row_key, original.row_key[:7])
        assert np.array_equal(pickle.loads(pickle.dumps(sample)).row_key, original.row_key)


def test_keys_are_spread_evenly() -> None:
    # Under uniform keys the count in each of 10 folds of 100,000 rows is binomial: 5 standard deviations are 474.
    key = rank_key([np.arange(100_000.0)])
    assert len(np.unique(key)) == 100_000
    for bits in (key % np.uint64(10), (key >> np.uint64(32)) % np.uint64(10)):
        assert np.abs(np.bincount(bits.astype(int)) - 10_000).max() < 474


@pytest.mark.parametrize(
    "values", [[3.0, 1.0, 3.0, 2.0], [0.0, 1.0, 0.0], [5.0, 5.0], [7.0], [], [-0.0, 0.0, 1.0, 2.0]]
)
def test_dense_ranks_against_unique(values: list[float]) -> None:
    expected = np.unique(np.array(values) + 0.0, return_inverse=True)[1]
    assert np.array_equal(dense_rank(np.array(values)), expected)


def test_fingerprints_change_with_any_used_value() -> None:
    original = draw(DATA, weights="w", cluster="v").fingerprint
    assert len(original) == 16
    assert int(original, 16) >= 0
    assert draw(DATA, weights="w", cluster="v").fingerprint == original
    found = {original}
    for name, values in DATA.items():
        changed = values.copy()
        changed[[0, 1, 2, 7]] = changed[[7, 6, 5, 1]]
        found.add(draw(DATA | {name: changed}, weights="w", cluster="v").fingerprint)
    order = np.random.default_rng(0).permutation(N)
    found.add(draw({name: values[order] for name, values in DATA.items()}, weights="w", cluster="v").fingerprint)
    found.add(draw(DATA, weights="w").fingerprint)
    assert len(found) == len(DATA) + 3
