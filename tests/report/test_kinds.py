"""Every kind of study renders: arms, amounts, subgroups, experiments, clusters, other estimands."""

import json
import re
from pathlib import Path

import pytest

import butfor as bf
from butfor.report.contract import to_json
from butfor.report.html import render
from butfor.study import Study
from tests.conformance.worlds import COVARIATES, world

QUESTION = bf.Question("treatment", "outcome", decision="Change the treatment")


def studies() -> dict[str, Study]:
    graph = "; ".join(f"{c} -> treatment; {c} -> outcome" for c in COVARIATES) + "; treatment -> outcome"
    by_sex = bf.Question("treatment", "outcome", modifiers=("sex",))
    trimmed = bf.Question("treatment", "outcome", estimand=bf.ATT(trim=0.05))
    return {
        "arms": Study(world("arms"), question=QUESTION, graph=graph),
        "amount": Study(world("amount"), question=QUESTION, graph=graph),
        "subgroups": Study(world("binary"), question=by_sex, graph=graph),
        "experiment": Study(world("binary"), question=QUESTION, design=bf.Randomized()),
        "clusters": Study(world("binary"), question=QUESTION, graph=graph, cluster="household"),
        "another estimand": Study(world("binary"), question=trimmed, covariates=COVARIATES),
    }


@pytest.mark.parametrize("kind", list(studies()))
def test_renders(kind: str, tmp_path: Path) -> None:
    study = studies()[kind]
    estimators = {
        "arms": (bf.IPW(),),
        "subgroups": (bf.Lin(),),
        "clusters": (bf.IPW(), bf.OLS()),
        "another estimand": (bf.IPW(), bf.OLS()),
    }.get(kind, (bf.OLS(),))
    study.estimate(*estimators)
    study.sensitivity()
    study.decide(value_per_unit=-2.0, cost_per_treated=1.0, units=1000)
    record = study.record()
    page = render(record)
    for label in record.estimates.primary.result.labels if record.estimates else ():
        assert label in page or len(record.estimates.primary.result.labels) == 1
    assert re.search(r"\b(nan|inf)\b|NaN", page) is None
    assert json.loads(to_json(record))["estimates"]
    assert study.report(tmp_path / "report.html").read_text(encoding="utf-8") == page
