"""Verma constraints against data: the Wald statistic by hand, size, power, odd columns; and checks of several kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

import butfor as bf
from butfor.core.effort import Effort
from butfor.core.errors import MethodMismatch, TooFewRows
from butfor.core.serial import from_json, to_json
from butfor.identify.implications import VermaConstraint
from butfor.identify.verma import verma_constraints
from butfor.refute.graph.check import GraphVerdict, check_graph
from butfor.refute.graph.suggestions import suggest_edges
from butfor.refute.graph.tetrad_tests import Tetrads
from butfor.refute.graph.verma_tests import VermaConstraints
from tests.identify.exact import ExactModel

Array = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

GRAPH = "a -> b -> c -> d; b <-> d"


def graph_of(text: str) -> bf.CausalGraph:
    return bf.CausalGraph.from_any(text)


def constraint() -> VermaConstraint:
    """Σ_b P(d | a, b, c) P(b | a) does not depend on a."""
    return next(verma_constraints(graph_of(GRAPH)))


def world(n: int, seed: int, *, direct: float = 0.0, levels: int = 2) -> Columns:
    """The graph, and a -> d as well if `direct` is positive."""
    rng = np.random.default_rng(seed)
    a, u = rng.integers(0, levels, n), rng.integers(0, 2, n)
    top = levels - 1
    b = rng.binomial(top, 0.2 + 0.2 * a / top + 0.3 * u)
    c = rng.binomial(1, 0.2 + 0.5 * b / top)
    d = rng.binomial(top, 0.1 + 0.3 * c + 0.3 * u + direct * a / top)
    return {"a": a, "b": b, "c": c, "d": d}


def functional(shares: Array) -> Array:
    """At a = 1 less at a = 0, for d = 1 and each c, from a table with axes a, b, c, d."""
    given_abc = shares / shares.sum(axis=3, keepdims=True)
    given_a = shares.sum(axis=(2, 3)) / shares.sum(axis=(1, 2, 3))[:, None]
    value = np.einsum("abcd,ab->acd", given_abc, given_a)
    return value[1, :, 1] - value[0, :, 1]


def test_the_statistic_is_the_delta_method_by_hand() -> None:
    n = 600
    columns = world(n, 1)
    counts = np.zeros((2, 2, 2, 2))
    np.add.at(counts, tuple(columns.values()), 1.0)
    smooth = counts + 0.5
    p, step = (smooth / smooth.sum()).reshape(-1), 1e-7
    moved = [
        (functional((p + e).reshape(2, 2, 2, 2)), functional((p - e).reshape(2, 2, 2, 2))) for e in step * np.eye(16)
    ]
    gradient = np.array([(up - down) / (2 * step) for up, down in moved])
    value, covariance = functional(counts / n), gradient.T @ (np.diag(p) - np.outer(p, p)) @ gradient / n
    found = VermaConstraints().test(columns, constraint())
    assert found.df == 2
    assert found.statistic == pytest.approx(value @ np.linalg.solve(covariance, value), rel=1e-5)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 2))
    assert found.effect == pytest.approx(np.abs(value).max())


@pytest.mark.parametrize(("n", "levels"), [(400, 2), (1_000, 2), (2_500, 3)])
def test_a_right_graph_is_rejected_as_often_as_stated(n: int, levels: int) -> None:
    draws, rejected, tested = 400, 0, 0
    for seed in range(draws):
        try:
            rejected += VermaConstraints().test(world(n, seed, levels=levels), constraint()).p_value <= 0.05
            tested += 1
        except TooFewRows:
            continue
    low, high = stats.binom.interval(0.999, tested, 0.05)
    assert tested >= 50
    assert low <= rejected <= high


def test_power() -> None:
    found = [VermaConstraints().test(world(1_500, s, direct=0.2), constraint()).p_value <= 0.05 for s in range(40)]
    assert np.mean(found) > 0.9


@pytest.mark.parametrize(
    "text", [GRAPH, "a -> b -> c -> d -> e; b <-> d; a <-> c; c <-> e", "x -> a; a -> b -> c -> d; b <-> d; x -> b"]
)
def test_constraints_of_exact_models_hold_in_their_tables(text: str) -> None:
    """Rows in the shares of a model, to rounding: what is left of the differences is rounding."""
    graph = graph_of(text)
    shares = ExactModel.random(graph, np.random.default_rng(3)).table().values
    counts = np.rint(shares * 1_000_000).astype(int)
    rows = np.repeat(np.indices(shares.shape).reshape(shares.ndim, -1), counts.reshape(-1), axis=1)
    columns = dict(zip(graph.nodes, rows, strict=True))
    statements = list(verma_constraints(graph))
    assert statements
    for statement in statements:
        found = VermaConstraints().test(columns, statement)
        assert found.effect < 0.005
        assert found.p_value > 0.99


def test_odd_columns() -> None:
    columns = world(1_000, 0)
    assert VermaConstraints().test(columns | {"a": np.zeros(1_000)}, constraint()).p_value == 1.0
    constant = VermaConstraints().test(columns | {"d": np.array(["one"] * 1_000)}, constraint())
    assert (constant.p_value, constant.effect) == (1.0, 0.0)
    copied = VermaConstraints().test(columns | {"d": columns["a"]}, constraint())
    assert copied.effect == 1.0
    assert copied.p_value < 1e-10  # a difference that no row contradicts has an error all the same
    with pytest.raises(MethodMismatch, match="'d' has 1,000 different values"):
        VermaConstraints().test(columns | {"d": np.arange(1_000.0)}, constraint())
    with pytest.raises(MethodMismatch, match="at most 10,000"):
        VermaConstraints().test(dict.fromkeys("abcd", np.arange(1_000) % 40), constraint())
    with pytest.raises(TooFewRows, match="A combination of a, b, c has 0 rows"):
        VermaConstraints().test(columns | {"c": columns["b"]}, constraint())
    with pytest.raises(TooFewRows, match="at least 20"):
        VermaConstraints().test({name: values[:10] for name, values in columns.items()}, constraint())


def test_nothing_is_said_of_selected_rows() -> None:
    graph = graph_of(GRAPH + "; d -> s; s [selected]")
    assert not list(VermaConstraints().statements(graph, Effort(1_000)))


# --- checks of several kinds -------------------------------------------------------------------------------------


def test_a_hidden_edge_that_no_independence_shows() -> None:
    """a -> d leaves all independences of the graph as they are: only the Verma constraint can contradict it."""
    wrong = check_graph(graph_of(GRAPH), world(3_000, 0, direct=0.2))
    assert [row.kind for row in wrong.rejected] == ["Verma constraint"]
    # a is an instrument for b and for c as well, and keeps to what an instrument may do.
    assert [row.kind for row in wrong.rows] == ["independence", "Verma constraint", *["instrument inequality"] * 2]
    tested = "1 implied independence, 1 implied Verma constraint and 2 implied instrument inequalities"
    assert f"The data contradict 1 of the {tested}" in wrong.words
    assert not len(suggest_edges(wrong))
    assert check_graph(graph_of(GRAPH), world(3_000, 0)).verdict is GraphVerdict.NOT_REJECTED
    assert check_graph(graph_of(GRAPH), world(3_000, 0, direct=0.2), further=()).verdict is GraphVerdict.NOT_REJECTED


def test_all_kinds_are_adjusted_together() -> None:
    check = check_graph(graph_of(GRAPH + "; e; f"), world(500, 0) | {"e": world(500, 9)["a"], "f": world(500, 8)["d"]})
    assert {row.kind for row in check.rows} == {"independence", "Verma constraint", "instrument inequality"}
    raw = [row.result.p_value for row in check.rows]
    assert [row.adjusted_p for row in check.rows] == pytest.approx(list(multipletests(raw, method="holm")[1]))


def test_size_of_a_check_of_all_kinds() -> None:
    rejected = sum(check_graph(graph_of(GRAPH), world(600, s)).verdict is GraphVerdict.REJECTED for s in range(200))
    assert rejected <= stats.binom.ppf(0.999, 200, 0.05)


def test_the_limit_holds_for_each_kind() -> None:
    graph = graph_of("a -> b -> c -> d -> e; b <-> d; a <-> c; c <-> e")
    columns = world(4_000, 0)
    columns["e"] = np.random.default_rng(5).binomial(1, 0.3 + 0.4 * columns["d"])
    every = check_graph(graph, columns)
    assert every.complete
    few = check_graph(graph, columns, limit=1)
    assert not few.complete
    kinds = [row.kind for row in (*few.rows, *few.untested)]
    assert len(kinds) == len(set(kinds))


def test_numbers_with_many_values_leave_the_constraint_untested() -> None:
    noise = np.random.default_rng(0).normal(size=(4, 300))
    a, b = noise[0], noise[0] + noise[1]
    c = b + noise[2]
    check = check_graph(
        graph_of(GRAPH), {"a": a, "b": b, "c": c, "d": c + noise[1] + noise[3]}, further=(VermaConstraints(), Tetrads())
    )
    assert [row.kind for row in check.rows] == ["independence"]
    assert [row.implication for row in check.untested] == [constraint()]
    assert "Not tested: 1 Verma constraint. Column 'a' has 300 different values" in check.words
    assert from_json(to_json(check)) == check
