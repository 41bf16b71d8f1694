"""Whether and how an effect is identified, printed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from butfor.cli.guard import DONE, guarded
from butfor.core.errors import InvalidSetting

if TYPE_CHECKING:
    from butfor.graph.causal_graph import CausalGraph
    from butfor.graph.marked_graph import MarkedGraph
    from butfor.identify.general import Experiment
    from butfor.identify.identification import Identification

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


def print_identification(source: str, asked: Asked, *, everything: bool, as_json: bool) -> int:
    """Print whether and how an effect is identified."""

    def work() -> int:
        limit = EVERYTHING if everything else 20
        is_study = source.endswith((".yaml", ".yml"))
        found = _of_study(Path(source), asked, limit) if is_study else _of_graph(source, asked, limit)
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else str(found))
        return DONE

    return guarded(work)


def _of_graph(source: str, asked: Asked, limit: int) -> Identification:
    from butfor.graph.formats import read_graph
    from butfor.identify.identify import identify
    from butfor.identify.query import Query

    graph = read_graph(source)
    treatments = asked.treatments or tuple(n for n in graph.nodes if n in graph.exposures)
    outcomes = asked.outcomes or tuple(n for n in graph.nodes if n in graph.outcomes)
    if not (treatments and outcomes):
        raise InvalidSetting(
            "A graph alone asks nothing; identification needs a treatment and an outcome.",
            hint="--treatment x --outcome y",
        )
    query = Query(treatments, outcomes, asked.given)
    return identify(query, _hiding(graph, asked.latent), sources=_sources(asked), limit=limit)


def _hiding(graph: CausalGraph | MarkedGraph, latent: tuple[str, ...]) -> CausalGraph | MarkedGraph:
    return replace(graph, latent=graph.latent.union(graph.check(n, role="--latent") for n in latent))


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
