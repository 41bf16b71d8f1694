"""What users can reach is documented, and what the documentation shows runs."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import typer.main
import yaml

import butfor as bf
from butfor.cli.main import app
from butfor.study_file.model import StudyModel
from butfor.study_file.registry import ESTIMATORS, LEARNERS, estimator

DOCS = Path(__file__).parents[2] / "docs"
COMMAND_LINE = (DOCS / "guide" / "command-line.md").read_text("utf-8")


def test_every_public_name_has_a_docstring() -> None:
    missing = [n for n in bf.__all__ if n != "__version__" and not inspect.getdoc(getattr(bf, n))]
    assert missing == []


@pytest.mark.parametrize("kind", ESTIMATORS.values(), ids=lambda k: k.name)
def test_every_estimator_says_what_it_needs_to_say(kind: type[bf.Estimator]) -> None:
    text = inspect.getdoc(kind) or ""
    for word in ("**Answers**", "**Estimates**", "**Assumes**", "Args:", "References:", ">>> "):
        assert word in text, f"{kind.__name__} lacks {word}"
    page = DOCS / "methods" / f"{kind.name.replace('_', '-')}.md"
    assert f".{kind.__name__}" in page.read_text("utf-8")


def test_every_command_and_option_is_documented() -> None:
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        assert f"butfor {name}" in COMMAND_LINE
        for parameter in command.params:
            for option in (o for o in parameter.opts if o.startswith("--")):
                assert option in COMMAND_LINE, f"{name} {option}"


def test_every_key_of_a_study_file_is_described() -> None:
    parts = StudyModel.model_json_schema()["$defs"]
    assert {"QuestionPart", "DataPart", "DesignPart", "DecisionPart", "RefutePart"} <= set(parts)
    assert all(learner in COMMAND_LINE for learner in LEARNERS)


def test_the_estimators_of_the_guide_exist() -> None:
    block = re.findall(r"```yaml\n(.*?)```", COMMAND_LINE, re.S)[0]
    found = {estimator(entry).name for entry in yaml.safe_load(block)["estimators"]}
    assert found == set(ESTIMATORS)
