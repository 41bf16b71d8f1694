"""Proposals: stability, words, seeds, what cannot be learned from."""

from __future__ import annotations

import sys
import time
from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest

import butfor as bf
from butfor.core.errors import (
    ButforError,
    Collinear,
    ConstantColumn,
    CyclicGraph,
    InfiniteValues,
    InvalidSetting,
    MethodMismatch,
    MissingExtra,
    MissingValues,
    NonNumeric,
    NumericalFailure,
    TooFewRows,
    UnknownColumn,
)
from butfor.discovery import causal_learn
from butfor.discovery.knowledge import Knowledge
from butfor.discovery.methods import FCI, GES, PC, DiscoveryMethod
from butfor.discovery.proposal import GraphProposal, ResampledGraph
from butfor.discovery.propose import propose_graph
from butfor.graph.marked_graph import MarkedGraph
from tests.discovery.worlds import Array
from tests.test_import import loaded_after

METHODS = [PC(), FCI(), GES()]
IDS = ["PC", "FCI", "GES"]


def wet(n: int = 600, seed: int = 0) -> dict[str, Array]:
    """rain -> wet <- sprinkler, wet -> slippery, and a column apart; what should be uncorrelated is so exactly."""
    draws = np.random.default_rng(seed).normal(size=(n, 5))
    noise = sqrt(n) * np.linalg.qr(draws - draws.mean(axis=0))[0].T
    ground = noise[0] + noise[1] + 0.7 * noise[2]
    return {"rain": noise[0], "sprinkler": noise[1], "wet": ground, "slippery": ground + noise[3], "moon": noise[4]}


# --- stability -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [PC(alpha=1e-4), FCI(alpha=1e-4), GES()], ids=IDS)
def test_strong_edges_come_back_and_absent_ones_do_not(method: DiscoveryMethod) -> None:
    proposal = propose_graph(wet(), method, bootstrap=25)
    rows = {(r["first"], r["second"]): r for r in proposal.stability}
    shares = np.array([row[4:] for row in proposal.stability.rows], dtype=float)
    assert np.allclose(shares.sum(axis=1), 1.0)
    for pair in (("rain", "wet"), ("sprinkler", "wet"), ("wet", "slippery")):
        assert float(rows[pair]["none"]) == 0.0  # type: ignore[arg-type]
        assert float(rows[pair]["share"]) > 0.7  # type: ignore[arg-type]
    # Uncorrelated in the data, they are joined in a share alpha of the resamples; by BIC in 2 Φ(-√ln 600), one percent:
    # six of 25 would be an accident of one in a million.
    for other in ("rain", "sprinkler", "wet", "slippery"):
        assert float(rows[other, "moon"]["none"]) >= 0.8  # type: ignore[arg-type]
    assert proposal.resamples == 25


def test_how_often_resamples_join_an_independent_pair() -> None:
    # Given the data, z has mean z of the data and variance one: over the data, variance two.
    expected = 2 * NormalDist().cdf(-NormalDist().inv_cdf(0.975) / sqrt(2))
    rng = np.random.default_rng(1)
    shares: list[float] = []
    for _ in range(50):
        data = dict(zip("ab", rng.normal(size=(2, 200)), strict=True))
        row = next(iter(propose_graph(data, PC(alpha=0.05), bootstrap=12).stability))
        shares.append(1.0 - float(row["none"]))  # type: ignore[arg-type]
    assert abs(np.mean(shares) - expected) < 4 * np.std(shares) / sqrt(len(shares))
    assert expected == pytest.approx(0.17, abs=0.005)


def test_stability_counts_each_kind_of_edge() -> None:
    graph = MarkedGraph.from_text("pdag { a; b; c; b -> a; b -- c }")
    other = MarkedGraph.from_text("pdag { a; b; c; a -- b; c -> b }")
    proposal = GraphProposal(
        graph=graph,
        method="by hand",
        resampled=(ResampledGraph(graph.edges, 6), ResampledGraph(other.edges, 3), ResampledGraph((), 1)),
        threshold=0.65,
    )
    assert proposal.stability.names == ("first", "second", "edge", "share", "--", "->", "<-", "none")
    assert proposal.stability.rows == (
        ("a", "b", "<-", 0.6, 0.3, 0.0, 0.6, 0.1),
        ("a", "c", "none", 1.0, 0.0, 0.0, 0.0, 1.0),
        ("b", "c", "--", 0.6, 0.6, 0.0, 0.3, 0.1),
    )
    assert [row[:2] for row in proposal.unstable.rows] == [("a", "b"), ("b", "c")]
    assert "b -> a  in 60% of 10 resamples  (unstable)" in proposal.to_text()


def test_a_missing_edge_that_resamples_draw_is_named() -> None:
    graph = MarkedGraph(("a", "b"), (), "pdag")
    drawn = (("a", "tail", "tail", "b"),)
    proposal = GraphProposal(graph=graph, method="by hand", resampled=(ResampledGraph(drawn, 1), ResampledGraph((), 1)))
    assert "No edge here, but in many resamples: a and b." in proposal.to_text()


def test_without_resamples_nothing_is_said_of_stability() -> None:
    proposal = propose_graph(wet(), bootstrap=0)
    assert proposal.resamples == 0
    assert set(proposal.stability.column("share")) == {None}
    assert len(proposal.unstable) == 0
    assert "How stable the edges are was not examined." in str(proposal)
    assert proposal.adjustment("wet", "slippery").share_valid is None


# --- seeds and values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_the_same_seed_gives_the_same_proposal(method: DiscoveryMethod) -> None:
    data = wet(60)
    one, two, other = (propose_graph(data, method, bootstrap=12, rng=seed) for seed in (3, 3, 4))
    assert one == two
    assert one.resampled != other.resampled
    assert propose_graph(data, method, bootstrap=12, rng=np.random.default_rng(3)).provenance.seed is not None


def test_a_proposal_survives_json() -> None:
    known = Knowledge(tiers=(("rain", "sprinkler"), ("wet",)), forbidden=(("moon", "wet"),))
    proposal = propose_graph(wet(60), knowledge=known, bootstrap=5)
    assert bf.from_json(bf.to_json(proposal)) == proposal
    assert propose_graph(wet(60), FCI(), bootstrap=3) == bf.from_json(
        bf.to_json(propose_graph(wet(60), FCI(), bootstrap=3))
    )


def test_units_and_origin_of_the_numbers_do_not_matter() -> None:
    data = wet(300)
    moved = {name: 1e9 + 1e-3 * values if name != "rain" else 1e200 * values for name, values in data.items()}
    for method in METHODS:
        assert propose_graph(data, method, bootstrap=4).graph == propose_graph(moved, method, bootstrap=4).graph


def test_provenance_says_where_the_graph_comes_from() -> None:
    proposal = propose_graph(wet(60), PC(alpha=0.02), bootstrap=2, rng=9)
    provenance = proposal.provenance
    assert (provenance.seed, provenance.rows_used, proposal.n) == (9, 60, 60)
    assert "alpha=0.02" in provenance.settings
    assert "causal-learn" in provenance.versions


# --- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_the_text_says_that_it_is_a_proposal_and_what_it_assumes(method: DiscoveryMethod) -> None:
    proposal = propose_graph(wet(), method, bootstrap=4)
    for text in (str(proposal), proposal._repr_html_()):
        assert "A proposal, not the truth" in text
        assert "faithfulness" in text
        assert "independent rows" in text
        assert ("Assumes causal sufficiency" in text) == (method.kind == "pdag")
        assert method.name in text
    assert proposal.diagnostics[0].name == "graph-learned"
    assert proposal.diagnostics[0].severity == "caution"


def test_names_are_escaped_in_html() -> None:
    noise = np.random.default_rng(0).normal(size=(2, 100))
    proposal = propose_graph({"<b>": noise[0], "&": noise[0] + noise[1]}, bootstrap=2)
    assert "<b>" not in proposal._repr_html_()
    assert "<b>" not in proposal.adjustment("<b>", "&")._repr_html_()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("pdag { a -> b }", "one acyclic graph"),
        ("pdag { a -- b -- c }", "3 acyclic graphs"),
        ("pdag { a -- b -- c -- d; a -- c; b -- d; a -- d }", "24 acyclic graphs"),  # 4! orders of a complete graph
        ("pdag { a -- b -- c -- d -- a }", "no acyclic graph"),  # a cycle without a chord has no order
        ("pag { a o-o b }", ""),
    ],
)
def test_the_number_of_graphs_is_named(text: str, size: str) -> None:
    proposal = GraphProposal(graph=MarkedGraph.from_text(text), method="by hand")
    assert proposal.size == size
    assert (size in str(proposal)) or not size
    assert ("learned-graph-contradictory" in [d.name for d in proposal.diagnostics]) == (size == "no acyclic graph")


def test_counting_graphs_ends() -> None:
    nodes = [f"n{i}" for i in range(12)]
    everything = " ".join(f"{a} -- {b};" for i, a in enumerate(nodes) for b in nodes[:i])
    proposal = GraphProposal(graph=MarkedGraph.from_text(f"pdag {{ {everything} }}"), method="by hand")
    start = time.perf_counter()
    assert "more than" in proposal.size  # 12! = 479,001,600
    assert time.perf_counter() - start < 20


# --- the same rows twice -------------------------------------------------------------------------------------------


def test_estimating_from_the_rows_that_were_learned_from_is_a_danger() -> None:
    data = wet(200)
    half = {name: values[:100] for name, values in data.items()}
    rest = {name: values[100:] for name, values in data.items()}
    proposal = propose_graph(half, bootstrap=0)
    with_more = {**half, "extra": np.arange(100.0)}
    assert proposal.learned_from(half)
    assert proposal.learned_from(bf.open_dataset(with_more))
    assert not proposal.learned_from(rest)
    assert not proposal.learned_from({"rain": half["rain"]})
    assert [d.name for d in proposal.caveats(half) if d.severity == "danger"] == ["graph-learned-from-same-rows"]
    assert proposal.caveats(rest) == proposal.diagnostics
    assert not GraphProposal(graph=proposal.graph, method="elsewhere").learned_from(half)


# --- what cannot be learned from -----------------------------------------------------------------------------------

NOISE = np.random.default_rng(0).normal(size=(4, 50))
GOOD = dict(zip("abcd", NOISE, strict=True))
WORDS = np.array(["x", "y", "z", "y", "x"] * 10)


@pytest.mark.parametrize("method", METHODS, ids=IDS)
@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({**GOOD, "e": np.ones(50)}, ConstantColumn),
        ({**GOOD, "e": np.array(["x"] * 50)}, ConstantColumn),
        ({**GOOD, "e": NOISE[0]}, Collinear),
        ({**GOOD, "e": 3.0 - 2.0 * NOISE[0]}, Collinear),
        ({**GOOD, "e": NOISE[0] + NOISE[1] - 2 * NOISE[2]}, Collinear),
        ({"a": WORDS, "b": WORDS, "c": WORDS[::-1].copy()}, Collinear),
        ({"a": WORDS, "b": np.where(WORDS == "x", "q", WORDS), "c": np.tile(["u", "v"], 25)}, Collinear),
        ({**GOOD, "e": np.where(np.arange(50) == 3, np.nan, NOISE[0])}, MissingValues),
        ({**GOOD, "e": np.where(np.arange(50) == 3, np.inf, NOISE[0])}, InfiniteValues),
        ({**GOOD, "e": WORDS}, MethodMismatch),
        ({**GOOD, "e": NOISE[0] > 0}, MethodMismatch),
        ({"a": np.array([f"id{i}" for i in range(50)]), "b": WORDS, "c": WORDS[::-1].copy()}, MethodMismatch),
        ({"a": NOISE[0]}, InvalidSetting),
        ({}, ButforError),
        ({"a": [], "b": []}, ButforError),
        ({name: values[:0] for name, values in GOOD.items()}, TooFewRows),
        ({name: values[:19] for name, values in GOOD.items()}, TooFewRows),
        ({f"c{i}": np.random.default_rng(i).normal(size=30) for i in range(16)}, TooFewRows),
        ({**GOOD, "e": np.arange("2020-01-01", "2020-02-20", dtype="datetime64[D]")}, NonNumeric),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_data_without_an_answer_are_refused(
    method: DiscoveryMethod, data: dict[str, Array], error: type[Exception]
) -> None:
    with pytest.raises(error):
        propose_graph(data, method, bootstrap=3)


def test_columns_that_determine_each_other_are_named() -> None:
    with pytest.raises(Collinear, match=r"'a', 'b', 'e' determine") as caught:
        propose_graph({**GOOD, "e": NOISE[0] - NOISE[1]})
    assert caught.value.hint == "leave 'e' out"


def test_columns_are_chosen_by_name() -> None:
    data = {**wet(100), "note": np.array(["x"] * 100)}
    proposal = propose_graph(data, columns=["wet", "rain"], bootstrap=0)
    assert proposal.graph.nodes == ("wet", "rain")
    for wrong, error in (("wet", InvalidSetting), (["wet", "wet"], InvalidSetting), (["wet", "rian"], UnknownColumn)):
        with pytest.raises(error):
            propose_graph(data, columns=wrong)
    with pytest.raises(UnknownColumn, match="knowledge"):
        propose_graph(data, columns=["wet", "rain"], knowledge=Knowledge(forbidden=(("moon", "wet"),)))


def test_rows_with_gaps_are_left_out_when_asked() -> None:
    data = wet(100)
    data["wet"] = np.where(np.arange(100) < 10, np.nan, data["wet"])
    assert propose_graph(data, missing="drop", bootstrap=0).n == 90


def test_binary_columns_count_as_numbers_when_asked() -> None:
    rng = np.random.default_rng(2)
    treated = (rng.random(800) < 0.5).astype(float)
    data = {"treated": treated, "cost": 2 * treated + rng.normal(size=800)}
    assert propose_graph(data, PC(test="fisherz"), bootstrap=0).graph.is_adjacent("treated", "cost")
    assert propose_graph(data, GES(score="bic"), bootstrap=0).graph.is_adjacent("treated", "cost")


def test_two_columns_of_categories_have_no_bdeu_score() -> None:
    # causal-learn takes the logarithm of zero there, and finds no edge whatever the data.
    with pytest.raises(InvalidSetting, match="three"):
        propose_graph({"a": WORDS, "b": np.tile(["u", "v"], 25)}, GES())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: PC(alpha=0.0),
        lambda: FCI(alpha=float("nan")),
        lambda: PC(test="kci"),  # pyright: ignore
        lambda: PC(most_tests=0),
        lambda: GES(score="cv"),  # pyright: ignore
        lambda: propose_graph(GOOD, bootstrap=-1),
        lambda: propose_graph(GOOD, threshold=1.5),
        lambda: propose_graph(GOOD, missing="ignore"),  # pyright: ignore
    ],
)
def test_settings_outside_their_range_are_refused(wrong: object) -> None:
    with pytest.raises(InvalidSetting):
        wrong()  # type: ignore[operator]


@pytest.mark.parametrize("method", [PC(most_tests=2_000), FCI(most_tests=2_000)], ids=["PC", "FCI"])
def test_a_search_that_is_too_long_ends(method: DiscoveryMethod) -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(size=500)
    data = {f"c{i}": common + 0.3 * rng.normal(size=500) for i in range(25)}
    with pytest.raises(InvalidSetting, match="most_tests"):
        propose_graph(data, method, bootstrap=1)


def test_ges_takes_sixteen_columns_at_most() -> None:
    data = dict(zip(map(str, range(17)), np.random.default_rng(4).normal(size=(17, 100)), strict=True))
    with pytest.raises(InvalidSetting, match="16"):
        propose_graph(data, GES())


def test_few_rows_with_many_columns_end_in_a_graph_or_an_error() -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        data = dict(zip("abcdefgh", (rng.normal(size=(20, 8)) @ rng.normal(size=(8, 8))).T, strict=True))
        for method in (PC(alpha=0.3), FCI(alpha=0.3), GES()):
            try:
                proposal = propose_graph(data, method, bootstrap=2)
            except CyclicGraph:
                continue
            assert proposal.resamples + proposal.failed == 2
            assert str(proposal)


def test_resamples_without_an_answer_are_counted() -> None:
    # One row alone keeps the columns apart; a third of the resamples, (1 - 1/n)ⁿ, do not have it.
    a = np.random.default_rng(5).normal(size=40)
    data = {"a": a, "b": a + np.where(np.arange(40) == 7, 1.0, 0.0)}
    proposal = propose_graph(data, bootstrap=60)
    assert abs(proposal.failed / 60 - (1 - 1 / 40) ** 40) < 4 * sqrt(0.23 / 60)
    assert "resamples-failed" in [d.name for d in proposal.diagnostics]


# --- the package behind --------------------------------------------------------------------------------------------


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    known = Knowledge(forbidden=(("rain", "wet"), ("wet", "rain")))
    propose_graph(wet(100), FCI(), knowledge=known, bootstrap=2)
    propose_graph(wet(100), PC(), bootstrap=2)
    propose_graph(wet(100), GES(), bootstrap=2)
    assert capfd.readouterr() == ("", "")


def test_global_random_numbers_are_left_alone() -> None:
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    for method in METHODS:
        propose_graph(wet(60), method, bootstrap=2)
    assert np.random.random() == expected


def test_without_causal_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "causallearn", None)
    with pytest.raises(MissingExtra, match=r"butfor\[discovery\]"):
        propose_graph(GOOD)


def test_failures_of_the_package_become_errors_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("Data correlation matrix is singular.")

    module = causal_learn._load("causallearn.search.ConstraintBased.PC")
    monkeypatch.setattr(module, "pc", broken)
    with pytest.raises(NumericalFailure, match="singular"):
        propose_graph(GOOD)


def test_the_package_loads_when_first_used() -> None:
    assert "causallearn" not in loaded_after("import butfor.discovery.propose")
