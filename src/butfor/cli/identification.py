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
    from butfor.identify.identification import Identification

EVERYTHING = 1_000


@dataclass(frozen=True)
class Asked:
    """What the options say."""

    treatments: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    latent: tuple[str, ...] = ()


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
    from butfor.graph.causal_graph import CausalGraph
    from butfor.identify.identify import identify
    from butfor.identify.query import Query

    graph = CausalGraph.from_any(source)
    treatments = asked.treatments or tuple(n for n in graph.nodes if n in graph.exposures)
    outcomes = asked.outcomes or tuple(n for n in graph.nodes if n in graph.outcomes)
    if not (treatments and outcomes):
        raise InvalidSetting(
            "A graph alone asks nothing; identification needs a treatment and an outcome.",
            hint="--treatment x --outcome y",
        )
    return identify(Query(treatments, outcomes, asked.given), _hiding(graph, asked.latent), limit=limit)


def _hiding(graph: CausalGraph, latent: tuple[str, ...]) -> CausalGraph:
    return graph.with_latent(graph.check(n, role="--latent") for n in latent)


def _of_study(path: Path, asked: Asked, limit: int) -> Identification:
    """The study of a file, with what the options change about it."""
    from butfor.identify.identify import identify
    from butfor.identify.query import Query
    from butfor.study_file.load import build_study, read_study_file

    study = build_study(read_study_file(path), path.parent)
    question, graph = study.question, study.causal_graph
    if graph is None and (asked.latent or asked.given):
        raise InvalidSetting(
            "The study has no graph; --latent and --given need one.", hint="add graph: to the study file"
        )
    study = replace(study, graph=None if graph is None else _hiding(graph, asked.latent))
    if not (asked.treatments or asked.outcomes or asked.given):
        return study.identify()
    query = Query(asked.treatments or (question.treatment,), asked.outcomes or (question.outcome,), asked.given)
    return identify(query, study.causal_graph, study.design, covariates=study.covariates, limit=limit)
