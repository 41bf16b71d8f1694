"""Questions, estimands and designs."""

from butfor.question.design import Cutoff, Design, Instrumented, Observational, Panel, Randomized
from butfor.question.estimands import (
    ATC,
    ATE,
    ATO,
    ATT,
    CWE,
    LATE,
    LQTE,
    QTE,
    VWE,
    Association,
    CVaRE,
    Estimand,
    PotentialMean,
)
from butfor.question.question import Question

__all__ = [
    "ATC",
    "ATE",
    "ATO",
    "ATT",
    "CWE",
    "LATE",
    "LQTE",
    "QTE",
    "VWE",
    "Association",
    "CVaRE",
    "Cutoff",
    "Design",
    "Estimand",
    "Instrumented",
    "Observational",
    "Panel",
    "PotentialMean",
    "Question",
    "Randomized",
]
