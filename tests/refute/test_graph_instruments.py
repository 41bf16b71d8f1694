"""The instrumental inequality against data: exact size by enumeration, exact tails, power, odd columns."""

from __future__ import annotations

from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from scipy import optimize, stats

import butfor as bf
from butfor.core.effort import Effort
from butfor.core.errors import MethodMismatch, TooFewRows
from butfor.identify.implications import InstrumentInequality
from butfor.refute.graph.check import GraphVerdict, check_graph
from butfor.refute.graph.instrument_tests import InstrumentInequalities
from tests.graph.strategies import graphs

Columns = dict[str, NDArray[Any]]

STATEMENT = InstrumentInequality("z", "x", "y")
PEARL = "z -> x -> y; x <-> y"


def two_groups(first: int, first_rows: int, second: int, second_rows: int) -> Columns:
    """Of the first group `first` rows have y = 0, of the second `second` have y = 1; the treatment never moves."""
    y = np.repeat([0, 1, 1, 0], [first, first_rows - first, second, second_rows - second])
    z = np.repeat([0, 1], [first_rows, second_rows])
    return {"z": z, "x": np.zeros(len(y)), "y": y}


def p_value(columns: Columns) -> float:
    return InstrumentInequalities().test(columns, STATEMENT).p_value


def world(n: int, seed: int, *, direct: float = 0.0, levels: int = 2) -> Columns:
    """A hidden cause of x and y; z moves x, and y as well if `direct` is positive."""
    rng = np.random.default_rng(seed)
    z, u = rng.integers(0, levels, n), rng.random(n)
    x = (rng.random(n) < 0.1 + 0.1 * z / (levels - 1) + 0.1 * u).astype(int)
    y = (rng.random(n) < 0.2 * x + 0.1 * u + 0.1 + direct * z / (levels - 1)).astype(int)
    return {"z": z, "x": x, "y": y}


@pytest.mark.parametrize(("first_rows", "second_rows"), [(20, 20), (20, 60)])
def test_the_exact_size_where_the_inequality_is_an_equality(first_rows: int, second_rows: int) -> None:
    """With a treatment that never moves, y must be independent of z: all its sums are one. No draw, every table."""
    counts = product(range(first_rows + 1), range(second_rows + 1))
    p = {(i, j): p_value(two_groups(i, first_rows, j, second_rows)) for i, j in counts}
    table = np.array([[p[i, j] for j in range(second_rows + 1)] for i in range(first_rows + 1)])
    for level, share in product((0.05, 0.01, 0.001), np.linspace(0.005, 0.995, 67)):
        first = stats.binom.pmf(np.arange(first_rows + 1), first_rows, share)
        second = stats.binom.pmf(np.arange(second_rows + 1), second_rows, 1.0 - share)
        assert first @ (table <= level) @ second <= level


@pytest.mark.parametrize(("first", "second"), [(230, 230), (30, 390), (5, 399)])
def test_the_tail_is_that_of_the_likeliest_shares_that_add_up_to_one(first: int, second: int) -> None:
    rows = 400
    likelihood = lambda q: -(stats.binom.logpmf(first, rows, q) + stats.binom.logpmf(second, rows, 1 - q))  # noqa: E731
    q = optimize.minimize_scalar(likelihood, bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-10}).x
    counts = np.arange(rows + 1)
    tail = float(stats.binom.pmf(counts, rows, q) @ stats.binom.sf(first + second - counts - 1, rows, 1 - q))
    found = InstrumentInequalities().test(two_groups(first, rows, second, rows), STATEMENT)
    assert found.effect == pytest.approx((first + second) / rows - 1)
    # Two inequalities; half a row of both groups is a whole step of their sum, of which the exact tail has half.
    step = float(stats.binom.pmf(counts, rows, q) @ stats.binom.pmf(first + second - counts, rows, 1 - q))
    assert tail - 0.1 * step <= found.p_value / 2 <= tail + step


def test_the_least_possible_instrument() -> None:
    """y copies z and the treatment never moves: the sum is 2."""
    columns = two_groups(50, 50, 50, 50)
    found = InstrumentInequalities().test(columns, STATEMENT)
    assert found.effect == 1.0
    assert found.p_value < 1e-20
    assert np.isfinite(found.statistic)


@pytest.mark.parametrize("levels", [2, 3])
def test_right_instruments_are_hardly_ever_rejected(levels: int) -> None:
    assert min(p_value(world(400, seed, levels=levels)) for seed in range(100)) > 0.05


@pytest.mark.parametrize("levels", [2, 3])
def test_power_against_a_direct_effect(levels: int) -> None:
    found = [p_value(world(1_000, seed, direct=0.55, levels=levels)) <= 0.05 for seed in range(40)]
    assert np.mean(found) > 0.9


def test_odd_columns() -> None:
    columns = world(400, 0)
    assert p_value(columns | {"z": np.zeros(400)}) == 1.0
    assert p_value(columns | {"y": np.array(["no"] * 400)}) == 1.0
    with pytest.raises(MethodMismatch, match="'x' has 400 different values"):
        p_value(columns | {"x": np.arange(400.0)})
    with pytest.raises(MethodMismatch, match="inequalities; a test of instruments takes at most"):
        p_value(columns | {"y": np.arange(400) % 20})
    with pytest.raises(TooFewRows, match="'z' has 3 rows"):
        p_value(columns | {"z": (np.arange(400) < 3).astype(int)})


def test_a_check_includes_instruments_and_says_what_it_cannot_test() -> None:
    graph = bf.CausalGraph.from_any(PEARL)
    right = check_graph(graph, world(1_000, 0))
    assert [str(row.implication) for row in right.rows] == ["for each x: Σ_y max_z P(x, y | z) ≤ 1"]
    assert right.verdict is GraphVerdict.NOT_REJECTED
    wrong = check_graph(graph, world(1_000, 0, direct=0.55))
    assert wrong.verdict is GraphVerdict.REJECTED
    dose = world(1_000, 0) | {"x": np.random.default_rng(0).normal(size=1_000)}
    silent = check_graph(graph, dose)
    assert silent.verdict is GraphVerdict.SAYS_NOTHING
    assert silent.words == (
        "Nothing that the graph implies could be tested. Not tested: 1 instrument inequality. Column 'x' has 1,000 "
        "different values; a test of instruments needs at most 50."
    )


@settings(max_examples=60, deadline=None)
@given(graphs(5))
def test_no_inequality_where_measured_variables_explain_everything(graph: bf.CausalGraph) -> None:
    visible = graph.replaced(bidirected=())
    assert not list(InstrumentInequalities().statements(visible, Effort(10**6)))


@settings(max_examples=100, deadline=None)
@given(graphs(6, latent=True, selected=True))
def test_the_search_finds_what_the_definition_says(graph: bf.CausalGraph) -> None:
    """Every treatment, outcome and instrument asked about one by one, by separation alone."""
    found = set(InstrumentInequalities().statements(graph, Effort(10**7)))
    seen = [n for n in graph.observed if n not in graph.selected]
    chosen = graph.selected
    for z, x, y in permutations(seen, 3):
        assigned = graph.without_edges_out_of({x})
        expected = (
            x in graph.ancestors({y})
            and not graph.descendants({x}) & (chosen | {z})
            and assigned.is_separated({z}, {y}, chosen)
            and not any(
                graph.is_separated({z}, {y}, chosen.union(given))
                for size in range(len(seen) - 1)
                for given in combinations([n for n in seen if n not in (z, y)], size)
            )
        )
        assert (InstrumentInequality(z, x, y) in found) == expected, (graph.to_text(), z, x, y)


def test_a_graph_of_two_hundred_nodes_is_searched_through() -> None:
    rng = np.random.default_rng(0)
    pairs = [tuple(f"v{i}" for i in sorted(rng.choice(200, 2, replace=False))) for _ in range(500)]
    graph = bf.CausalGraph(tuple(f"v{i}" for i in range(200)), tuple(pairs[:400]), tuple(pairs[400:]))
    effort = Effort(InstrumentInequalities.steps)
    assert len(list(InstrumentInequalities().statements(graph, effort))) > 0
    assert not effort.exhausted


def test_the_search_ends_with_its_effort() -> None:
    graph = bf.CausalGraph.from_any(PEARL)
    effort = Effort(3)
    assert not list(InstrumentInequalities().statements(graph, effort))
    assert effort.exhausted
