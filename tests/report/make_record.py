"""A study record from the stages themselves, on small simulated data."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from butfor.core.diagnostic import Diagnostic, Severity
from butfor.core.provenance import Provenance
from butfor.data.dataset import open_dataset
from butfor.decide.decision import decide
from butfor.estimators.base import Reading, read_rows, take_samples
from butfor.estimators.estimates import Estimates, naive_fit
from butfor.estimators.regression.lin import Lin
from butfor.estimators.regression.ols import OLS
from butfor.graph.causal_graph import CausalGraph
from butfor.identify.identify import identify
from butfor.identify.proof import ProofStep
from butfor.nuisance.balance import balance_table
from butfor.nuisance.overlap import Overlap, balancing_weights
from butfor.question import ATE, Question
from butfor.question.framing import judge
from butfor.refute.battery import refute, sensitivity
from butfor.refute.data_subset import DataSubset
from butfor.refute.placebo_treatment import PlaceboTreatment
from butfor.refute.random_common_cause import RandomCommonCause
from butfor.report.record import StudyRecord

GRAPH = "segment -> discount; segment -> value; tenure -> discount; tenure -> value; discount -> visits -> value"
SIMULATIONS = 20


@cache
def full_record() -> StudyRecord:
    """Every stage run."""
    rng = np.random.default_rng(11)
    n = 400
    segment, tenure = rng.normal(size=n), rng.normal(size=n)
    chance = 1 / (1 + np.exp(-0.7 * segment - 0.4 * tenure))
    discount = (rng.uniform(size=n) < chance).astype(int)
    value = 2.0 * discount + 1.5 * segment + 0.8 * tenure + rng.normal(size=n)
    frame = {"segment": segment, "tenure": tenure, "discount": discount, "value": value, "visits": value}
    question = Question(
        "discount", "value", text="Does the discount raise value?", decision="Whether to send the discount to everyone"
    )
    graph = CausalGraph.from_any(GRAPH)
    identification = identify(question, graph)
    strategy = identification.require()
    plan = [(strategy, Lin()), (strategy, OLS())]
    rows = read_rows(open_dataset(frame), question, plan, Reading())
    samples = take_samples(rows, question, plan, Reading())
    fits = tuple(e.fit_sample(s, question, strategy, rng=0) for (_, e), s in zip(plan, samples, strict=True))
    checks = [cls(simulations=SIMULATIONS) for cls in (PlaceboTreatment, RandomCommonCause, DataSubset)]
    propensity = np.column_stack([1 - chance, chance])
    return StudyRecord(
        question=question,
        framing=judge(question),
        identification=identification,
        graph=graph,
        estimates=Estimates(
            fits, naive_fit(samples[0], question, strategy, 0), "Lin's regression answers the question."
        ),
        refutations=refute(fits[0], refuters=checks, rng=3),
        sensitivity=sensitivity(fits[1]),
        decision=decide(fits[0].result, value_per_unit=10.0, cost_per_treated=5.0),
        antipatterns=(Diagnostic("no-graph", Severity.CAUTION, "Shown as an example of a caveat."),),
        overlap=Overlap.of(samples[0], propensity, ATE()),
        balance=balance_table(samples[0], balancing_weights(samples[0], propensity, ATE())[0], ATE()),
        provenance=Provenance(
            data_source="customers.parquet", data_fingerprint=samples[0].fingerprint, rows_read=n, rows_used=n, seed=3
        ),
        command="butfor run study.yaml --seed 3",
    )


def bare_record() -> StudyRecord:
    """Only framed, identified on the user's word, and estimated."""
    full = full_record()
    return replace(
        full,
        identification=identify(full.question, covariates=("segment", "tenure")),
        graph=None,
        refutations=None,
        sensitivity=None,
        decision=None,
        antipatterns=(),
        overlap=None,
        balance=None,
        command="",
    )


def unidentified_record() -> StudyRecord:
    """Not identified, hence nothing estimated."""
    full = full_record()
    graph = CausalGraph.from_any("discount -> value; discount <-> value")
    identification = identify(full.question, graph)
    return replace(bare_record(), identification=identification, graph=graph, estimates=None)


def hostile_record() -> StudyRecord:
    """Names that would be markup if anything forgot to escape them."""
    full = full_record()
    bad = "<script>alert('x')</script>"
    graph = CausalGraph((), ((bad, "discount"), (bad, "value"), ("discount", "value")))
    return replace(
        full,
        title=f'{bad} & "quotes"',
        graph=graph,
        identification=replace(full.identification, graph=graph, explanation=bad, proof=(ProofStep(bad, bad, bad),)),
        antipatterns=(Diagnostic("no-graph", Severity.DANGER, bad),),
        provenance=replace(full.provenance, data_source=bad),
        command=bad,
    )
