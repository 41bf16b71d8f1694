"""Run a study from the command line: checks first, long work with progress, outputs last and whole."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from butfor.cli.guard import CHECK_FAILED, DONE, INTERRUPTED, guarded
from butfor.cli.summary import print_summary
from butfor.core.errors import InvalidSetting, UnwritablePath
from butfor.report.contract import contract
from butfor.report.html import render
from butfor.study import Study
from butfor.study_file.load import build_study, estimators_of, read_study_file
from butfor.study_file.model import StudyModel


@dataclass(frozen=True)
class Outputs:
    """Files to write."""

    report: Path | None
    json: Path | None

    def check(self) -> None:
        """Refuse paths that cannot be written, before any work.

        Raises:
            UnwritablePath: with the path and why.
        """
        for path in (self.report, self.json):
            if path is None:
                continue
            folder = path.resolve().parent
            if not folder.is_dir():
                raise UnwritablePath(
                    f"Folder {str(folder)!r} does not exist; the output needs one.", hint=f"mkdir -p {folder}"
                )
            if path.is_dir():
                raise UnwritablePath(
                    f"Path {str(path)!r} is a folder; the output needs a file.", hint=f"{path}/report.html"
                )
            if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
                raise UnwritablePath(f"Path {str(path)!r} cannot be written.", hint="choose another folder")


def demo_study() -> Path:
    """The study file that ships with the package."""
    return Path(str(resources.files("butfor.demo") / "study.yaml"))


def run_study(path: Path, outputs: Outputs, *, seed: int | None, fail_on: str | None, command: str) -> int:
    """Run a study file; the exit code."""

    def work() -> int:
        if fail_on not in (None, "refuted"):
            raise InvalidSetting(f"--fail-on is {fail_on!r}; it needs to be 'refuted'.", hint="--fail-on refuted")
        outputs.check()
        model = read_study_file(path)
        estimators = estimators_of(model)
        with _progress() as report_progress:
            study = build_study(model, path.parent, seed=seed, command=command, progress=report_progress)
            try:
                _run_stages(study, model, estimators)
            except KeyboardInterrupt:
                done = ", ".join(study.completed) or "nothing"
                Console(stderr=True).print(f"Interrupted. Completed: {done}. No file was written.")
                return INTERRUPTED
        _write(study, outputs)
        print_summary(study, outputs.report, outputs.json)
        record = study.record()
        doubtful = record.estimates is None or (record.refutations is not None and bool(record.refutations.failed))
        return CHECK_FAILED if fail_on and doubtful else DONE

    return guarded(work)


def _run_stages(study: Study, model: StudyModel, estimators: list[Any]) -> None:
    study.frame()
    if not study.identify().strategies:
        return
    study.estimate(*estimators)
    if model.refute.enabled:
        study.refute(*study.standard_refuters(model.refute.simulations))
    if model.sensitivity:
        study.sensitivity()
    if model.decision is not None:
        study.decide(**model.decision.model_dump())


@contextmanager
def _progress() -> Generator[Any]:
    """A bar on stderr for work that takes more than a moment; nothing when stderr is not a terminal."""
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for other in tasks.values():
                    bars.update(other, visible=False)
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total, visible=True)

        yield report


def _write(study: Study, outputs: Outputs) -> None:
    record = study.record()
    if outputs.json is not None:
        _write_whole(outputs.json, json.dumps(contract(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    if outputs.report is not None:
        _write_whole(outputs.report, render(record))


def _write_whole(path: Path, text: str) -> None:
    """Write to a neighbour and rename, so that a reader never sees half a file."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.resolve().parent, delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise UnwritablePath(
            f"Path {str(path)!r} cannot be written ({error.strerror}).", hint="choose another folder"
        ) from error
