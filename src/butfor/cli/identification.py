"""Whether and how an effect is identified, printed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from butfor.cli.guard import DONE, guarded
from butfor.core.errors import InvalidSetting

if TYPE_CHECKING:
    from butfor.graph.causal_graph import CausalGraph
    from butfor.graph.marked_graph import MarkedGraph
    from butfor.identify.general import Experiment
    from butfor.identify.identification import Identification
    from butfor.identify.query import Query

EVERYTHING = 1_000


@dataclass(frozen=True)
class Asked:
    """What the options say."""

    treatments: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    latent: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    without_observation: bool = False
    counterfactual: str | None = None
    mediators: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @property
    def is_other(self) -> bool:
        """Is anything but the effect itself asked?"""
        return bool(self.counterfactual or self.mediators or self.paths)


def print_identification(source: str, asked: Asked, *, everything: bool, as_json: bool) -> int:
    """Print whether and how an effect is identified."""

    def work() -> int:
        limit = EVERYTHING if everything else 20
        is_study = source.endswith((".yaml", ".yml"))
        if asked.is_other:
            text, record = _other_answer(source, asked)
        else:
            found = _of_study(Path(source), asked, limit) if is_study else _of_graph(source, asked, limit)
            text, record = str(found), found.to_dict()
        typer.echo(json.dumps(record, indent=2, ensure_ascii=False) if as_json else text)
        return DONE

    return guarded(work)


def _other_answer(source: str, asked: Asked) -> tuple[str, dict[str, Any]]:
    from butfor.cli.other_questions import counterfactual_answer, mediation_answer, path_answer
    from butfor.graph.causal_graph import CausalGraph
    from butfor.graph.formats import read_graph

    graph = read_graph(source)
    if not isinstance(graph, CausalGraph):
        raise InvalidSetting(
            f"The graph is a {graph.kind.upper()}; counterfactuals and direct effects need one causal graph.",
            hint="draw the graph that you believe in, with -> and <-> alone",
        )
    sources = _sources(asked)
    if asked.given or (asked.counterfactual is None and (asked.sources or asked.without_observation)):
        option = "--given" if asked.given else "--source and --without-observation"
        raise InvalidSetting(
            f"{option} cannot go with --counterfactual, --mediator or --path.", hint=f"leave {option} out"
        )
    graph = graph.with_latent(graph.check(n, role="option --latent") for n in asked.latent)
    if asked.counterfactual is not None:
        return counterfactual_answer(graph, asked.counterfactual, sources)
    query = _query_on(graph, asked)
    if not query.is_plain:
        raise InvalidSetting(
            f"The query is {query}; direct and indirect effects need one treatment and one outcome.",
            hint="--treatment x --outcome y --mediator m",
        )
    x, y = query.treatments[0], query.outcomes[0]
    if asked.paths:
        return path_answer(graph, x, y, asked.paths)
    return mediation_answer(graph, x, y, asked.mediators)


def _query_on(graph: CausalGraph | MarkedGraph, asked: Asked) -> Query:
    """What is asked of a graph, which may say itself what its treatment and outcome are."""
    from butfor.identify.query import Query

    treatments = asked.treatments or tuple(n for n in graph.nodes if n in graph.exposures)
    outcomes = asked.outcomes or tuple(n for n in graph.nodes if n in graph.outcomes)
    if not (treatments and outcomes):
        raise InvalidSetting(
            "A graph alone asks nothing; identification needs a treatment and an outcome.",
            hint="--treatment x --outcome y",
        )
    return Query(treatments, outcomes, asked.given)


def _of_graph(source: str, asked: Asked, limit: int) -> Identification:
    from butfor.graph.formats import read_graph
    from butfor.identify.identify import identify

    graph = read_graph(source)
    return identify(_query_on(graph, asked), _hiding(graph, asked.latent), sources=_sources(asked), limit=limit)


def _hiding(graph: CausalGraph | MarkedGraph, latent: tuple[str, ...]) -> CausalGraph | MarkedGraph:
    return replace(graph, latent=graph.latent.union(graph.check(n, role="option --latent") for n in latent))


def _sources(asked: Asked) -> list[Experiment]:
    from butfor.identify.general import OBSERVATION, Experiment

    if asked.without_observation and not asked.sources:
        raise InvalidSetting(
            "There are neither observations nor other sources; identification needs some data.",
            hint='--source "do(x)"',
        )
    found = [] if asked.without_observation else [OBSERVATION]
    return [*found, *map(Experiment.from_text, asked.sources)]


def _of_study(path: Path, asked: Asked, limit: int) -> Identification:
    """The study of a file, with what the options change about it."""
    from butfor.identify.identify import identify
    from butfor.identify.query import Query
    from butfor.study_file.load import build_study, read_study_file

    study = build_study(read_study_file(path), path.parent)
    question, graph = study.question, study.causal_graph
    if graph is None and (asked.latent or asked.given or asked.sources or asked.without_observation):
        raise InvalidSetting(
            "The study has no graph; --latent, --given, --source and --without-observation need one.",
            hint="add graph: to the study file",
        )
    study = replace(study, graph=None if graph is None else _hiding(graph, asked.latent))
    query = Query(asked.treatments or (question.treatment,), asked.outcomes or (question.outcome,), asked.given)
    return identify(
        question if query == Query.of(question) else query,
        study.causal_graph,
        study.design,
        covariates=study.covariates,
        observed=study.dataset.columns if study.causal_graph is not None else None,
        sources=_sources(asked),
        limit=limit,
    )
