"""butfor identify: every kind of answer, and refusals with a hint."""

from __future__ import annotations

import json

import pytest
from click.testing import Result
from typer.testing import CliRunner

from butfor.cli.main import app


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["z -> x -> y; z <-> x; z <-> y", "--source", "do(z)"], "from an experiment on z"),
        (["x -> m -> y; x -> y", "--mediator", "m"], "natural direct effect"),
        (["x -> l -> m -> y; l -> y; x -> m", "--mediator", "m"], "Interventional effects"),
        (["x -> m -> y; x -> y", "--path", "x -> m -> y"], "path-specific effect: Σ_{m} P(y | x', m) P(m | x)"),
        (["pag { a o-> x -> y }"], "in every graph that the PAG stands for"),
        (["z -> x -> y; x <-> y"], "Bound everyone's effect with z as an instrument"),
    ],
)
def test_identify_answers_questions_beside_adjustment(options: list[str], expected: str) -> None:
    found = invoke("identify", *options, "--treatment", "x", "--outcome", "y")
    assert found.exit_code == 0
    assert expected in found.output
    as_json = invoke("identify", *options, "--treatment", "x", "--outcome", "y", "--json")
    assert isinstance(json.loads(as_json.output), dict)


def test_identify_answers_counterfactuals() -> None:
    found = invoke("identify", "x -> m -> y; x <-> y", "--counterfactual", "P(y_{x} | x')")
    assert "P(y_{x} | x') = Σ_{m} P(y | x', m) P(m | x)" in found.output


@pytest.mark.parametrize(
    "options",
    [
        ["x -> y", "--source", "do(x"],
        ["x -> y", "--without-observation"],
        ["x -> m -> y", "--path", "x m y"],
        ["x -> m -> y", "--mediator", "q"],
        ["x -> m -> y", "--outcome", "m", "--mediator", "m"],
        ["x -> y", "--counterfactual", "P(y_{q})"],
        ["x -> y; x <-> y", "--source", "trial do(x) differs(q)"],
        ["x -> y; x <-> y", "--source", "trial do(x) measured(q, x, y)"],
        ["x -> y", "--source", "do(q)"],
        ["x -> y; x <-> y", "--source", "do()"],
        ["x -> m -> y", "--mediator", "m", "--given", "m"],
        ["x -> m -> y", "--mediator", "m", "--source", "do(x)"],
        ["pag { x o-> y }", "--mediator", "y"],
    ],
)
def test_identify_refuses_with_a_hint(options: list[str]) -> None:
    found = invoke("identify", *options, "--treatment", "x", "--outcome", "y")
    assert found.exit_code == 2
    assert "hint:" in found.output
