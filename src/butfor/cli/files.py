"""The commands that do not run a study."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from butfor.cli.guard import DONE, guarded
from butfor.core.errors import UnwritablePath


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
