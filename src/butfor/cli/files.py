"""The commands that do not run a study."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from butfor.cli.guard import DONE, guarded
from butfor.core.errors import InvalidSetting, UnwritablePath


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
            from butfor.study_file.load import build_study, read_study_file

            path = Path(source)
            found = build_study(read_study_file(path), path.parent).identify()
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
