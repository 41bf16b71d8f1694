"""Run a study from the command line: checks first, long work with progress, outputs last and whole."""

from __future__ import annotations

import glob
import json
from collections.abc import Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from butfor.cli.guard import CHECK_FAILED, DONE, INTERRUPTED, guarded
from butfor.cli.outputs import Outputs
from butfor.cli.summary import print_summary
from butfor.core.errors import InvalidSetting
from butfor.report.contract import contract
from butfor.report.html import render
from butfor.study import Study
from butfor.study_file.load import build_study, estimators_of, read_study_file
from butfor.study_file.model import StudyModel


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
        with _progress() as bars:
            study = build_study(model, path.parent, seed=seed, command=command, progress=bars.report)
            outputs.spare(_inputs(path, study))
            try:
                _run_stages(study, model, estimators)
                bars.report("report", 0, 1)
                outputs.write(_texts(study, outputs))
            except KeyboardInterrupt:
                done = ", ".join(study.completed) or "nothing"
                Console(stderr=True, highlight=False, soft_wrap=True).print(
                    f"Interrupted. Completed: {done}. Under way: {bars.latest}. No file was written.", markup=False
                )
                return INTERRUPTED
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


class _Bars:
    """One bar at a time, for what is under way."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self.latest = "nothing"

    def report(self, what: str, done: int, total: int) -> None:
        """Show how far something has come."""
        self.latest = f"{what}, {done} of {total}"
        if what not in self._tasks:
            for other in self._tasks.values():
                self._bars.update(other, visible=False)
            self._tasks[what] = self._bars.add_task(what, total=total)
        self._bars.update(self._tasks[what], completed=done, total=total, visible=True)


@contextmanager
def _progress() -> Generator[_Bars]:
    """A bar on stderr for long work; nothing when stderr is not a terminal."""
    columns, console = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()), Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield _Bars(bars)


def _inputs(path: Path, study: Study) -> list[Path]:
    """The files that the study reads."""
    source = str(study.source)
    files = [path, Path(source), *map(Path, glob.glob(source))]
    return [*files, study.graph] if isinstance(study.graph, Path) else files


def _texts(study: Study, outputs: Outputs) -> dict[Path, str]:
    """What goes into each output."""
    record = study.record()
    texts: dict[Path, str] = {}
    if outputs.json is not None:
        texts[outputs.json] = json.dumps(contract(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if outputs.report is not None:
        texts[outputs.report] = render(record)
    return texts
