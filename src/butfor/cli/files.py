"""The commands that do not run a study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from butfor.cli.guard import DONE, guarded
from butfor.core.errors import InvalidSetting, UnwritablePath

if TYPE_CHECKING:
    from butfor.study import Study


def new_study(path: Path, *, force: bool) -> int:
    """Write a commented study file."""

    def work() -> int:
        from butfor.study_file.template import TEMPLATE

        if path.exists() and not force:
            raise UnwritablePath(
                f"File {str(path)!r} exists; a new study needs a new file.", hint="--force overwrites it"
            )
        try:
            path.write_text(TEMPLATE, encoding="utf-8")
        except OSError as error:
            raise UnwritablePath(
                f"File {str(path)!r} cannot be written ({error.strerror}).", hint="check the folder"
            ) from error
        typer.echo(f"Wrote {path}. Edit it, then: butfor run {path} --report report.html")
        return DONE

    return guarded(work)


def print_schema() -> int:
    """Print the JSON schema of study files."""
    from butfor.study_file.model import StudyModel

    typer.echo(json.dumps(StudyModel.model_json_schema(), indent=2))
    return DONE


def print_identification(
    source: str, treatment: str | None, outcome: str | None, latent: tuple[str, ...], *, as_json: bool
) -> int:
    """Print whether and how an effect is identified."""

    def work() -> int:
        from butfor.graph.causal_graph import CausalGraph
        from butfor.identify.identify import identify
        from butfor.question import Question

        if source.endswith((".yaml", ".yml")):
            found = _altered_study(Path(source), treatment, outcome, latent).identify()
        else:
            if treatment is None or outcome is None:
                raise InvalidSetting(
                    "A graph alone asks nothing; identification needs a treatment and an outcome.",
                    hint="--treatment x --outcome y",
                )
            graph = CausalGraph.from_any(source)
            found = identify(Question(treatment, outcome), graph.with_latent(map(graph.check, latent)))
        typer.echo(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else str(found))
        return DONE

    return guarded(work)


def _altered_study(path: Path, treatment: str | None, outcome: str | None, latent: tuple[str, ...]) -> Study:
    """The study of a file, with what the options change about it."""
    from butfor.study_file.load import build_study, read_study_file

    study = build_study(read_study_file(path), path.parent)
    asked, graph = study.question, study.causal_graph
    if graph is None and latent:
        raise InvalidSetting("The study has no graph; --latent needs one.", hint="add graph: to the study file")
    return replace(
        study,
        question=replace(asked, treatment=treatment or asked.treatment, outcome=outcome or asked.outcome),
        graph=None if graph is None else graph.with_latent(map(graph.check, latent)),
    )
