"""Effects from several sources: published cases, by number, with the exact tables of every experiment."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import butfor as bf
from butfor.identify.expression import Factor
from butfor.identify.expression.evaluation import Source
from butfor.identify.general import Experiment, identify_from
from butfor.identify.general.sources import OBSERVATION
from tests.identify.exact import ExactModel
from tests.identify.test_general_random import random_graph, random_query
from tests.identify.truth import error

Z, X = Experiment(do=("Z",)), Experiment(do=("X",))
MODELS = 20


def table_of(model: ExactModel, source: Experiment) -> tuple[Source, Factor]:
    key = (source.population, frozenset(source.do))
    return key, model.table(source.do, source.measured)


def elsewhere(model: ExactModel, rng: np.random.Generator, differs: tuple[str, ...]) -> ExactModel:
    """The same causes, but other mechanisms of some nodes."""
    other = ExactModel.random(model.graph, rng)
    return replace(model, nodes={n: (other if n in differs else model).nodes[n] for n in model.nodes})


@pytest.mark.parametrize(
    ("name", "text", "sources", "expected"),
    [
        ("zid_1", "Z -> X; X -> Y; Z <-> X; Z <-> Y", [OBSERVATION, Z], True),  # Bareinboim and Pearl 2012; y0
        ("zid_3", "Z -> Y; X -> Y; X <-> Z; Z <-> Y", [OBSERVATION, Z], False),  # y0 examples z_identifiability_3
        (  # causaleffect man/surrogate.outcome.Rd: only Z and W are measured under do(X)
            "surrogate_outcome",
            "W -> X; W -> Z; X -> Z; Z -> Y; X <-> Z",
            [OBSERVATION, Experiment(do=("X",), measured=("W", "Z"))],
            True,
        ),
        ("nothing but the experiment", "X -> Y; X <-> Y", [X], True),
        ("an experiment on something else", "Z -> X; X -> Y; X <-> Y", [OBSERVATION, Z], False),
    ],
)
def test_published_cases(name: str, text: str, sources: list[Experiment], expected: bool) -> None:
    graph = bf.CausalGraph.from_any(text)
    found = identify_from(graph, sources, ["X"], ["Y"])
    assert found.identified is expected, name
    if found.expression is not None:
        rng = np.random.default_rng(len(name))
        for _ in range(MODELS):
            model = ExactModel.random(graph, rng)
            tables = dict(table_of(model, s) for s in found.used)
            assert error(found.expression, model, (["X"], ["Y"], []), tables) < 1e-9


def test_transport_from_a_population_in_which_one_mechanism_differs() -> None:
    """causaleffect man/transport.Rd: experiments on X elsewhere, and V behaves differently there.

    V and what it shares hidden causes with must come from here, where nothing but observation is at hand.
    """
    graph = bf.CausalGraph.from_any("X -> Z -> W -> V -> Y; X <-> Z; V <-> Y; X <-> Y")
    trial = Experiment(do=("X",), population="trial", differs=("V",))
    assert not identify_from(graph, [OBSERVATION], ["X"], ["Y"]).identified
    found = identify_from(graph, [OBSERVATION, trial], ["X"], ["Y"])
    assert found.used.count(trial) == 1
    assert found.expression is not None
    rng = np.random.default_rng(0)
    for _ in range(MODELS):
        here = ExactModel.random(graph, rng)
        there = elsewhere(here, rng, trial.differs)
        tables = dict([table_of(here, OBSERVATION), table_of(there, trial)])
        assert error(found.expression, here, (["X"], ["Y"], []), tables) < 1e-9
        # What the trial says of Y itself would be wrong here.
        assert np.abs(there.effect(["X"], ["Y"]).values - here.effect(["X"], ["Y"]).values).max() > 1e-6


def test_whatever_is_put_together_is_the_effect() -> None:
    """Random graphs and sources: observation, experiments, another population, studies that measured less."""
    rng = np.random.default_rng(3)
    several = 0
    for _ in range(600):
        graph = random_graph(rng, 6)
        query = random_query(rng, graph, conditional=rng.random() < 0.3)
        if not query[1]:
            continue
        names = [str(n) for n in rng.permutation(graph.nodes)]
        sources = [
            Experiment(do=tuple(names[:1])),
            Experiment(do=tuple(names[1:2]), population="elsewhere", differs=tuple(names[2:3])),
            Experiment(measured=tuple(names[: int(rng.integers(2, len(names) + 1))])),
        ]
        found = identify_from(graph, sources, *query)
        if found.expression is None:
            continue
        here = ExactModel.random(graph, rng)
        there = elsewhere(here, rng, sources[1].differs)
        tables = dict(table_of(there if s.population else here, s) for s in found.used)
        assert error(found.expression, here, query, tables) < 1e-9, (graph.to_text(), sources, query)
        several += len(found.used) > 1
    assert several > 20
