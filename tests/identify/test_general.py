"""General identification on published graphs: verdicts, sets, hedges, and every number against exact distributions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import butfor as bf
from butfor.identify.expression import parse_expression
from butfor.identify.front_door import FrontDoorProblem, minimal_front_door_sets
from butfor.identify.general import Hedge, identify_effect, is_hedge
from butfor.identify.instruments import InstrumentProblem, instruments
from tests.identify.exact import ExactModel
from tests.identify.truth import error

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "identification_cases.json").read_text("utf-8")
)
MODELS = 20


def graph_of(case: dict[str, Any]) -> bf.CausalGraph:
    return bf.CausalGraph(tuple(case["nodes"]), *(tuple(map(tuple, case[k])) for k in ("directed", "bidirected")))


def query_of(case: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    return case["treatments"], case["outcomes"], case["conditions"]


def those(key: str) -> Any:
    chosen = [c for c in CASES if c[key] is not None]
    return pytest.mark.parametrize("case", chosen, ids=[c["name"] for c in chosen])


@those("identifiable")
def test_verdicts_of_published_graphs(case: dict[str, Any]) -> None:
    found = identify_effect(graph_of(case), *query_of(case))
    assert found.identified is case["identifiable"]
    assert (found.expression is not None) is case["identifiable"]
    assert (found.hedge is None) is case["identifiable"]


@pytest.mark.parametrize("case", [c for c in CASES if c["identifiable"]], ids=lambda c: c["name"])
def test_functionals_equal_the_effect_in_random_models_with_hidden_causes(case: dict[str, Any]) -> None:
    graph = graph_of(case)
    expression = identify_effect(graph, *query_of(case)).expression
    assert expression is not None
    rng = np.random.default_rng(len(case["name"]))
    # Two of the outcomes may have three values: nothing may hang on variables that are yes or no.
    levels = [2, 3] if len(graph.nodes) <= 8 else [2]
    for k in range(MODELS):
        model = ExactModel.random(graph, rng, levels[k % len(levels)])
        assert error(expression, model, query_of(case)) < 1e-9


@those("estimand")
def test_published_estimands_are_read_and_equal_the_effect(case: dict[str, Any]) -> None:
    graph = graph_of(case)
    published = parse_expression(case["estimand"])
    rng = np.random.default_rng(1)
    for _ in range(MODELS):
        assert error(published, ExactModel.random(graph, rng), query_of(case)) < 1e-9


@those("hedge")
def test_published_hedges_and_those_found_prove_it(case: dict[str, Any]) -> None:
    graph = graph_of(case)
    own = identify_effect(graph, *query_of(case)).hedge
    assert own is not None
    for hedge in (own, Hedge(*map(tuple, case["hedge"]))):
        assert is_hedge(graph, hedge, case["treatments"], case["outcomes"])


@those("frontdoor")
def test_front_door_sets_of_published_graphs(case: dict[str, Any]) -> None:
    problem = FrontDoorProblem(graph_of(case), frozenset(case["treatments"]), frozenset(case["outcomes"]))
    found = list(minimal_front_door_sets(problem))
    assert len(found) == len(set(found))
    assert {frozenset(s) for s in found} == {frozenset(s) for s in case["frontdoor"]}
    assert all(problem.is_valid(s) for s in found)


@those("instruments")
def test_instruments_of_published_graphs(case: dict[str, Any]) -> None:
    problem = InstrumentProblem(graph_of(case), case["treatments"][0], case["outcomes"][0])
    found = {(z, frozenset(given)) for z, given in instruments(problem)}
    assert found == {(i["instrument"], frozenset(i["given"])) for i in case["instruments"]}
    assert all(problem.is_valid(z, given) for z, given in found)
