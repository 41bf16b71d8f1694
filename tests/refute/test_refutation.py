"""One result type: verdicts follow the adjusted p-value, values survive JSON."""

from __future__ import annotations

import json

import pytest

import butfor as bf
from butfor.core.table import Table
from butfor.refute.refutation import Finding, Refutations, Verdict


def finding(p_value: float | None, *, negligible: bool = False, verdict: Verdict | None = None) -> Finding:
    return Finding(
        check="check",
        asks="Does it hold?",
        estimate=1.0,
        refuted_estimate=0.1,
        p_value=p_value,
        passed="it holds.",
        failed="it does not.",
        seed=1,
        simulations=10,
        negligible=negligible,
        verdict=verdict,
        table=Table(("term", "value"), (("a", 1.0),)),
    )


@pytest.mark.parametrize(
    ("p_value", "adjusted", "negligible", "expected"),
    [
        (0.5, None, False, Verdict.PASSED),
        (0.01, None, False, Verdict.FAILED),
        (0.01, 0.06, False, Verdict.PASSED),
        (0.01, 0.04, False, Verdict.FAILED),
        (0.01, 0.04, True, Verdict.PASSED),
    ],
)
def test_a_verdict_follows_the_adjusted_p_value(
    p_value: float, adjusted: float | None, negligible: bool, expected: Verdict
) -> None:
    result = finding(p_value, negligible=negligible).judged(adjusted)
    assert result.verdict is expected
    assert result.words == ("Passed: it holds." if expected is Verdict.PASSED else "Failed: it does not.")
    assert (result.p_value, result.adjusted_p_value) == (p_value, adjusted)


def test_checks_that_are_not_tests_bring_their_own_verdict() -> None:
    result = finding(None, verdict=Verdict.INCONCLUSIVE).judged()
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.words == "Inconclusive: it does not."


def test_results_survive_json() -> None:
    results = Refutations((finding(0.01).judged(0.02), finding(None, verdict=Verdict.PASSED).judged()), ("x: why.",))
    assert bf.from_json(bf.to_json(results)) == results
    assert [r.check for r in results.failed] == ["check"]
    records = json.loads(json.dumps(results.records(), allow_nan=False))
    assert records[0]["verdict"] == "failed"
    assert records[0]["table"] == [{"term": "a", "value": 1.0}]
    assert results.tidy().column("verdict") == ["failed", "passed"]
    assert "Skipped: x: why." in str(results)
