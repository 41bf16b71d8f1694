"""Questions, estimands and designs."""

from butfor.question.design import Design, Observational, Randomized
from butfor.question.estimands import ATC, ATE, ATO, ATT, VWE, Association, Estimand
from butfor.question.question import Question

__all__ = [
    "ATC",
    "ATE",
    "ATO",
    "ATT",
    "VWE",
    "Association",
    "Design",
    "Estimand",
    "Observational",
    "Question",
    "Randomized",
]
