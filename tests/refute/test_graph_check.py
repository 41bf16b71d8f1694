"""Graphs against data: tests of independence against SciPy and statsmodels, their size, and an oracle for the rest."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import atanh, sqrt
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

import butfor as bf
from butfor.core.errors import (
    InfiniteValues,
    InvalidSetting,
    MethodMismatch,
    MissingValues,
    NonNumeric,
    TooFewRows,
    UnknownColumn,
)
from butfor.core.serial import from_json, to_json
from butfor.refute.graph.check import GraphCheck, GraphVerdict, check_graph
from butfor.refute.graph.falsification import falsify
from butfor.refute.graph.independence_tests import (
    IndependenceTest,
    MutualInformation,
    PartialCorrelation,
    RegressionTest,
    TestResult,
    default_test,
)
from butfor.refute.graph.suggestions import suggest_edges
from tests.graph.strategies import graphs

Columns = dict[str, NDArray[Any]]


def graph_of(text: str) -> bf.CausalGraph:
    return bf.CausalGraph.from_any(text)


def linear(n: int = 400, seed: int = 0) -> Columns:
    """a -> c <- b; c -> d -> e."""
    noise = np.random.default_rng(seed).normal(size=(5, n))
    a, b = noise[0], noise[1]
    c = a + b + noise[2]
    d = c + noise[3]
    return {"a": a, "b": b, "c": c, "d": d, "e": d + noise[4]}


TRUTH = "a -> c; b -> c; c -> d -> e"


def share_rejected(test: IndependenceTest, draw: Callable[[np.random.Generator], Columns], draws: int) -> float:
    """Of x ⊥ y given the other columns, at 5 %."""
    rejected = 0
    for seed in range(draws):
        columns = draw(np.random.default_rng(seed))
        rejected += test.test(columns, "x", "y", [n for n in columns if n not in ("x", "y")]).p_value <= 0.05
    return rejected / draws


def is_five_percent(share: float, draws: int) -> bool:
    """Within the binomial interval that 999 of 1000 right tests stay in."""
    low, high = stats.binom.interval(0.999, draws, 0.05)
    return bool(low <= share * draws <= high)


# --- partial correlation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given_names", [[], ["c"], ["c", "d"]])
def test_partial_correlation_is_that_of_least_squares_residuals(given_names: list[str]) -> None:
    columns = linear(80)
    found = PartialCorrelation().test(columns, "a", "e", given_names)
    design = sm.add_constant(np.column_stack([np.ones(80), *(columns[n] for n in given_names)]))
    residuals = [sm.OLS(columns[n], design).fit().resid for n in ("a", "e")]
    effect = stats.pearsonr(*residuals).statistic
    z = sqrt(80 - len(given_names) - 3) * atanh(effect)
    assert found.effect == pytest.approx(effect)
    assert found.statistic == pytest.approx(z)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)))
    assert found.n == 80


def test_partial_correlation_is_that_of_the_precision_matrix() -> None:
    columns = linear()
    precision = np.linalg.inv(np.cov(np.array(list(columns.values()))))
    found = PartialCorrelation().test(columns, "a", "b", ["c", "d", "e"])
    assert found.effect == pytest.approx(-precision[0, 1] / sqrt(precision[0, 0] * precision[1, 1]))


def test_size_of_the_partial_correlation() -> None:
    def draw(rng: np.random.Generator) -> Columns:
        z = rng.normal(size=(2, 30))
        return {"x": z.sum(axis=0) + rng.normal(size=30), "y": z[0] + rng.normal(size=30), "z": z[0], "w": z[1]}

    assert is_five_percent(share_rejected(PartialCorrelation(), draw, 1000), 1000)


def test_columns_that_the_given_ones_determine_say_nothing() -> None:
    columns = linear()
    columns |= {"f": columns["a"] * 2 + 1, "k": np.full(400, 3.0)}
    for test in (PartialCorrelation(), RegressionTest()):
        assert test.test(columns, "f", "b", ["a"]).p_value == 1.0
        assert test.test(columns, "k", "b").p_value == 1.0
    repeated = PartialCorrelation().test(columns, "d", "b", ["a", "f", "k"])
    assert repeated.statistic == pytest.approx(PartialCorrelation().test(columns, "d", "b", ["a"]).statistic)


def test_equal_columns_have_a_finite_statistic() -> None:
    columns = linear()
    found = PartialCorrelation().test(columns | {"f": columns["a"]}, "a", "f")
    assert np.isfinite(found.statistic)
    assert found.p_value < 1e-100


# --- contingency tables ------------------------------------------------------------------------------------------


def categories(n: int = 300, seed: int = 0) -> Columns:
    """x -> s -> y; t is apart. The level "rare" of x occurs in one stratum only."""
    rng = np.random.default_rng(seed)
    x = rng.choice(["a", "b", "c"], n)
    s = np.where(rng.random(n) < np.where(x == "a", 0.7, 0.3), "p", "q")
    x = np.where((s == "p") & (rng.random(n) < 0.1), "rare", x)
    y = np.where(rng.random(n) < np.where(s == "p", 0.6, 0.2), 1.0, 0.0)
    return {"x": x, "s": s, "y": y, "t": rng.integers(0, 3, n).astype(float)}


@pytest.mark.parametrize("given_names", [[], ["s"], ["s", "t"]])
def test_mutual_information_is_the_sum_of_g_tests(given_names: list[str]) -> None:
    columns = categories()
    found = MutualInformation().test(columns, "x", "y", given_names)
    frame = pd.DataFrame(columns)
    groups = [group for _, group in frame.groupby(given_names)] if given_names else [frame]
    parts = [
        stats.chi2_contingency(pd.crosstab(g["x"], g["y"]), lambda_="log-likelihood", correction=False) for g in groups
    ]
    statistic, df = sum(p.statistic for p in parts), sum(p.dof for p in parts)
    assert found.statistic == pytest.approx(statistic)
    assert found.df == df
    assert found.p_value == pytest.approx(stats.chi2.sf(statistic, df))
    assert found.effect == pytest.approx(statistic / 600)


def test_mutual_information_of_a_copied_coin_is_one_bit() -> None:
    coin = np.array(["h", "t"] * 50)
    assert MutualInformation().test({"x": coin, "y": coin}, "x", "y").effect == pytest.approx(np.log(2))


def test_strata_of_one_row_say_nothing() -> None:
    columns = {"x": np.arange(10.0) % 2, "y": np.arange(10.0) % 2, "z": np.arange(10.0)}
    assert MutualInformation().test(columns, "x", "y", ["z"]) == TestResult(0.0, 1.0, 0.0, 10, 0)


def test_size_of_the_g_test() -> None:
    def draw(rng: np.random.Generator) -> Columns:
        s = rng.integers(0, 2, 400)
        x, y = (rng.binomial(2, np.where(s == 1, 0.6, 0.4)).astype(float) for _ in range(2))
        return {"x": x, "y": y, "s": s.astype(float)}

    assert is_five_percent(share_rejected(MutualInformation(), draw, 800), 800)


# --- generalised covariance measure ------------------------------------------------------------------------------


def test_the_measure_of_two_numbers_is_its_formula() -> None:
    columns = linear()
    x, y = (columns[n] - columns[n].mean() for n in ("a", "c"))
    products = x * y
    found = RegressionTest().test(columns, "a", "c")
    statistic = sqrt(400) * products.mean() / sqrt((products**2).mean() - products.mean() ** 2)
    assert found.statistic == pytest.approx(statistic)  # Shah and Peters 2020, equation 3
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(statistic)))
    assert found.effect == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_text_with_two_levels_is_a_number_with_two_values() -> None:
    columns = linear()
    coin = columns["c"] > 0
    number = RegressionTest().test(columns | {"x": coin.astype(float)}, "x", "d", ["b"])
    text = RegressionTest().test(columns | {"x": np.where(coin, "yes", "no")}, "x", "d", ["b"])
    assert text.statistic == pytest.approx(number.statistic)
    assert text.p_value == pytest.approx(number.p_value)


def curved(rng: np.random.Generator) -> Columns:
    z = rng.normal(size=200)
    return {"x": z**2 + rng.normal(size=200), "y": np.abs(z) + rng.normal(size=200), "z": z}


def mixed(rng: np.random.Generator) -> Columns:
    """Text with three levels; they depend on a number and on text, in curves."""
    z, g = rng.normal(size=300), rng.choice(["u", "v", "w"], 300)
    signal = np.sin(2 * z) + (g == "u") * z
    x = np.digitize(signal + rng.logistic(size=300), [-0.7, 0.7]).astype(str)
    return {"x": x, "y": signal + rng.normal(size=300), "z": z, "g": g}


@pytest.mark.parametrize("draw", [curved, mixed])
def test_size_of_the_generalised_covariance_measure(draw: Callable[[np.random.Generator], Columns]) -> None:
    assert is_five_percent(share_rejected(RegressionTest(), draw, 250), 250)


def test_straight_lines_cannot_adjust_for_curves() -> None:
    assert share_rejected(PartialCorrelation(), curved, 100) > 0.9


def test_power_of_the_generalised_covariance_measure() -> None:
    def draw(rng: np.random.Generator) -> Columns:
        columns = mixed(rng)
        return columns | {"y": columns["y"] + 0.8 * (columns["x"] == "2")}

    assert share_rejected(RegressionTest(), draw, 40) > 0.9


def test_many_levels_share_one_error_rate() -> None:
    """The largest of 12 statistics, without anything given."""

    def draw(rng: np.random.Generator) -> Columns:
        return {"x": rng.choice(list("abcde"), 400), "y": rng.choice(list("abcd"), 400)}

    assert is_five_percent(share_rejected(RegressionTest(), draw, 250), 250)


# --- which test, and which errors --------------------------------------------------------------------------------


def test_the_default_test_follows_the_columns() -> None:
    text = np.array(["a", "b"] * 200)
    assert default_test(linear()) == PartialCorrelation()
    assert default_test(categories()) == MutualInformation()
    assert isinstance(default_test(linear() | {"g": text}), RegressionTest)
    assert isinstance(default_test({"id": np.arange(400).astype(str), "g": text}), RegressionTest)


def test_errors_of_the_tests() -> None:
    columns = linear(24) | {"g": np.array(["u", "v"] * 12)}
    with pytest.raises(MethodMismatch, match="'g' holds text"):
        PartialCorrelation().test(columns, "g", "a")
    with pytest.raises(MethodMismatch, match="60 different values"):
        MutualInformation().test(linear(60), "a", "b")
    short = {name: values[:5] for name, values in columns.items()}
    with pytest.raises(TooFewRows, match="5 rows"):
        PartialCorrelation().test(short, "a", "b", ["c", "d"])
    with pytest.raises(TooFewRows, match="at least 20"):
        RegressionTest().test(short, "a", "b")
    for test in (PartialCorrelation(), MutualInformation(), RegressionTest()):
        with pytest.raises(UnknownColumn, match="'zz'"):
            test.test(columns, "g" if test != PartialCorrelation() else "a", "zz")


# --- check -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Oracle:
    """Knows the graph that made the data, and how often it was asked."""

    truth: bf.CausalGraph
    asked: Counter[tuple[str, ...]] = field(default_factory=Counter)

    name: ClassVar[str] = "oracle"

    def test(
        self, columns: Mapping[str, NDArray[Any]], first: str, second: str, given: Sequence[str] = ()
    ) -> TestResult:
        self.asked[first, second, *given] += 1
        apart = self.truth.is_separated({first}, {second}, given)
        return TestResult(0.0, float(apart), float(not apart), 10)


def blank(graph: bf.CausalGraph) -> Columns:
    return {name: np.zeros(10) for name in graph.nodes}


def checked(graph: str, truth: str) -> GraphCheck:
    return check_graph(graph_of(graph), blank(graph_of(truth)), test=Oracle(graph_of(truth)))


def test_a_right_graph_is_rejected_at_most_as_often_as_stated() -> None:
    rejected = sum(check_graph(graph_of(TRUTH), linear(100, seed)).verdict == "rejected" for seed in range(300))
    assert rejected <= stats.binom.ppf(0.999, 300, 0.05)


def test_a_wrong_graph_is_rejected_where_it_is_wrong() -> None:
    check = check_graph(graph_of("a -> c; b -> c; c -> d; c -> e"), linear())
    assert [str(row.implication) for row in check.rejected] == ["d ⊥ e | c"]
    assert check.verdict is GraphVerdict.REJECTED
    assert "most clearly d ⊥ e | c" in check.words


def test_rows_are_adjusted_as_holm_does() -> None:
    check = check_graph(graph_of("a; b; c; d; e"), linear(30))
    raw = [row.result.p_value for row in check.rows]
    rejected, adjusted, _, _ = multipletests(raw, method="holm")
    assert [row.adjusted_p for row in check.rows] == pytest.approx(list(adjusted))
    assert [row.rejected for row in check.rows] == rejected.tolist()


def test_the_limit_shows() -> None:
    check = check_graph(graph_of("a; b; c; d; e"), linear(), limit=3)
    assert (len(check.rows), check.complete) == (3, False)
    assert "the graph implies more" in check.words
    assert check_graph(graph_of("a; b; c; d; e"), linear(), limit=10).complete


def test_nothing_implied_says_nothing() -> None:
    check = check_graph(graph_of("a -> b"), linear())
    assert check.verdict is GraphVerdict.SAYS_NOTHING
    assert check.complete
    assert len(check.tidy()) == 0
    assert check_graph(graph_of("u [latent]"), linear()).verdict is GraphVerdict.SAYS_NOTHING


def test_hidden_and_selected_nodes_need_no_column() -> None:
    text = "u [latent]; u -> a; u -> c; a -> b -> c; b -> s; s [selected]"
    assert not check_graph(graph_of(text), linear()).rows
    check = checked("x -> m -> y; m -> s; s [selected]", "x -> m -> y")
    assert [str(row.implication) for row in check.rows] == ["x ⊥ y | m, s"]
    assert check.verdict is GraphVerdict.NOT_REJECTED


def test_frames_text_and_gaps() -> None:
    columns = linear()
    frame = pd.DataFrame(columns).assign(d=np.where(columns["d"] > 0, "high", "low"))
    check = check_graph(graph_of("a -> c; b -> c; c -> d"), frame)
    assert check.test == RegressionTest.name
    assert check.verdict is GraphVerdict.NOT_REJECTED
    frame.loc[:9, "a"] = np.nan
    with pytest.raises(MissingValues, match="'a': 10"):
        check_graph(graph_of(TRUTH.replace(" -> e", "")), frame)
    assert check_graph(graph_of(TRUTH.replace(" -> e", "")), frame, missing="drop").n == 390


def test_refused_data_and_settings() -> None:
    columns, graph = linear(), graph_of("a -> c; b -> c")
    with pytest.raises(UnknownColumn, match="'cc'"):
        check_graph(graph_of("a -> cc"), columns)
    with pytest.raises(InfiniteValues):
        check_graph(graph, columns | {"a": np.full(400, np.inf)})
    with pytest.raises(NonNumeric, match="'a'"):
        check_graph(graph, pd.DataFrame(columns).assign(a=pd.Timestamp("2020-01-01")))
    with pytest.raises(TooFewRows, match="0 complete rows"):
        check_graph(graph, pd.DataFrame(columns).assign(a=np.nan), missing="drop")
    with pytest.raises(InvalidSetting, match="alpha is 0"):
        check_graph(graph, columns, alpha=0.0)
    with pytest.raises(InvalidSetting, match="limit is 0"):
        check_graph(graph, columns, limit=0)


def test_results_show_themselves_and_come_back_from_json() -> None:
    check = check_graph(graph_of("a; b; c"), linear())
    names = ("implication", "statistic", "effect", "p_value", "adjusted_p", "rejected")
    assert check.tidy().names == names
    assert "<table>" in check._repr_html_()
    assert from_json(to_json(check)) == check
    comparison = falsify(graph_of(TRUTH), linear())
    assert from_json(to_json(comparison)) == comparison
    assert "<table>" in comparison._repr_html_()
    suggestions = suggest_edges(check)
    assert from_json(to_json(suggestions)) == suggestions
    assert "a -&gt; c" in suggestions._repr_html_()


def test_the_same_seed_gives_the_same_answer() -> None:
    columns = linear() | {"e": np.where(linear()["e"] > 0, "high", "low")}
    graph = graph_of(TRUTH)
    assert check_graph(graph, columns, rng=3) == check_graph(graph, columns, rng=3)
    assert falsify(graph, linear(), rng=3) == falsify(graph, linear(), rng=3)


# --- falsification -----------------------------------------------------------------------------------------------


def separations(graph: bf.CausalGraph) -> frozenset[tuple[str, str, tuple[str, ...]]]:
    """All that a graph implies, by the definition."""
    names = sorted(graph.observed)
    return frozenset(
        (a, b, z)
        for a, b in itertools.combinations(names, 2)
        for size in range(len(names) - 1)
        for z in itertools.combinations([n for n in names if n not in (a, b)], size)
        if graph.is_separated({a}, {b}, z)
    )


def relabelled(graph: bf.CausalGraph, names: dict[str, str]) -> bf.CausalGraph:
    directed, bidirected = (
        tuple((names.get(a, a), names.get(b, b)) for a, b in edges) for edges in (graph.directed, graph.bidirected)
    )
    return bf.CausalGraph(graph.nodes, directed, bidirected, graph.latent)


@settings(max_examples=60, deadline=None)
@given(graphs(5, latent=True))
def test_share_of_equivalent_graphs_by_the_definition(graph: bf.CausalGraph) -> None:
    names = graph.observed[:4]
    graph = graph.with_latent(set(graph.observed) - set(names))
    own = separations(graph)
    orders = [dict(zip(names, order, strict=True)) for order in itertools.permutations(names)]
    same = [separations(relabelled(graph, order)) == own for order in orders]
    found = falsify(graph, blank(graph), test=Oracle(graph))
    assert found.violations == 0
    if own:
        assert found.equivalent == pytest.approx(np.mean(same))
        # An oracle finds a violation in every graph that implies something that does not hold.
        fits = [separations(relabelled(graph, order)) <= own for order in orders]
        assert found.no_worse == pytest.approx(np.mean(fits))


@pytest.mark.parametrize("text", ["a -> b -> c", "a -> b; c -> b"])
def test_three_nodes_say_nothing(text: str) -> None:
    """The node in the middle stays there in two of six orders."""
    found = falsify(graph_of(text), blank(graph_of(text)), test=Oracle(graph_of(text)))
    assert found.equivalent == pytest.approx(1 / 3)
    assert found.verdict is GraphVerdict.SAYS_NOTHING


def test_the_right_graph_is_better_than_chance_and_a_shuffled_one_is_not() -> None:
    right = falsify(graph_of(TRUTH), linear())
    assert right.verdict is GraphVerdict.NOT_REJECTED
    assert "better than chance" in right.words
    wrong = falsify(graph_of("d -> a; e -> a; a -> b -> c"), linear())
    assert wrong.verdict is GraphVerdict.REJECTED
    assert "no better than chance" in wrong.words


def test_few_rows_say_nothing_of_a_graph_that_nothing_contradicts() -> None:
    found = falsify(graph_of(TRUTH), linear(20), test=Oracle(graph_of("a; b; c; d; e")))
    assert found.violations == 0
    assert found.verdict is GraphVerdict.SAYS_NOTHING
    assert "too few rows" in found.words


def test_every_test_is_made_once() -> None:
    oracle = Oracle(graph_of(TRUTH))
    found = falsify(graph_of(TRUTH), linear(20), test=oracle, permutations=60)
    assert len(found.shuffled_violations) == 60
    assert set(oracle.asked.values()) == {1}


def test_counts_of_the_shuffled_graphs_add_up() -> None:
    found = falsify(graph_of(TRUTH), linear(), permutations=50)
    table = found.tidy()
    assert sum(table.column("shuffled_graphs")) == 50
    assert [row["violations"] for row in table if row["this_graph"]] == [found.violations]


def test_refused_comparisons() -> None:
    with pytest.raises(InvalidSetting, match="at least 20"):
        falsify(graph_of(TRUTH), linear(), permutations=10)
    many = bf.CausalGraph(tuple(f"v{i}" for i in range(60)))
    with pytest.raises(InvalidSetting, match="more than 1,000"):
        falsify(many, blank(many))
    assert falsify(graph_of("a -> b"), linear()).verdict is GraphVerdict.SAYS_NOTHING


# --- suggestions -------------------------------------------------------------------------------------------------


def test_the_missing_edge_comes_first() -> None:
    """Leaving out b -> c makes a and b wrongly independent of what follows; b -> c explains all of it."""
    suggestions = suggest_edges(checked("a -> b; c -> d -> e; a -> e", "a -> b -> c -> d -> e; a -> e"))
    best = suggestions.items[0]
    assert set(best.edge.split(" -> ")) == {"b", "c"}
    assert str(check_graph(best.graph, blank(best.graph), test=Oracle(best.graph)).verdict) == "not rejected"


def test_no_suggestion_makes_a_cycle() -> None:
    suggestions = suggest_edges(checked("x -> m -> y", "x -> m -> y; x -> y"))
    assert [s.edge for s in suggestions] == ["x -> y", "x <-> y"]


def test_a_graph_that_fits_needs_nothing() -> None:
    assert not len(suggest_edges(checked("x -> m -> y", "x -> m -> y")))
    assert "nothing" in str(suggest_edges(checked("x -> y", "x -> y")))


@settings(max_examples=40, deadline=None)
@given(graphs(5), graphs(5))
def test_suggestions_by_the_definition(graph: bf.CausalGraph, truth: bf.CausalGraph) -> None:
    truth = bf.CausalGraph(graph.nodes, *([e for e in k if set(e) <= set(graph.nodes)] for k in edges_of(truth)))
    check = check_graph(graph, blank(graph), test=Oracle(truth))
    kept = {row.implication for row in check.rows}
    suggestions = list(suggest_edges(check))
    assert {s.explains for s in suggestions} == {row.implication for row in check.rejected}
    for s in suggestions:
        before, after = edges_of(graph), edges_of(s.graph)
        assert sum(map(len, after)) == sum(map(len, before)) + 1
        gone = {i for i in kept if not s.graph.is_separated({i.first}, {i.second}, i.given)}
        assert gone == {s.explains, *s.removes, *s.loses}
        assert all(truth.is_separated({i.first}, {i.second}, i.given) for i in s.loses)
        assert not any(truth.is_separated({i.first}, {i.second}, i.given) for i in s.removes)
    ranks = [(-len(s.removes), len(s.loses)) for s in suggestions]
    assert ranks == sorted(ranks)


def edges_of(graph: bf.CausalGraph) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    return graph.directed, graph.bidirected
