"""Everything that a study found, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field

from butfor.core.diagnostic import Diagnostic
from butfor.core.provenance import Provenance
from butfor.core.table import Table
from butfor.decide.decision import Decision
from butfor.estimators.estimates import Estimates
from butfor.graph.causal_graph import CausalGraph
from butfor.graph.marked_graph import MarkedGraph
from butfor.identify.identification import Identification
from butfor.nuisance.overlap import Overlap
from butfor.question.framing import Framing
from butfor.question.question import Question
from butfor.refute.refutation import Refutations
from butfor.refute.sensitivity import Sensitivity


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyRecord:
    """What each stage of a study found; None for a stage that was not run.

    Attributes:
        antipatterns: mistakes by name in the question and in the choice of covariates.
        overlap: how well the arms overlap, where a propensity was modelled.
        balance: standardised differences of the covariates before and after weighting.
        command: what reproduces the report.
        title: heading of the report; the question where empty.
    """

    question: Question
    framing: Framing
    identification: Identification
    graph: CausalGraph | MarkedGraph | None = None
    estimates: Estimates | None = None
    refutations: Refutations | None = None
    sensitivity: Sensitivity | None = None
    decision: Decision | None = None
    antipatterns: tuple[Diagnostic, ...] = ()
    overlap: Overlap | None = None
    balance: Table | None = None
    provenance: Provenance = field(default_factory=Provenance)
    command: str = ""
    title: str = ""

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Every caveat once, the worst first."""
        estimates = () if self.estimates is None else self.estimates.diagnostics
        found = (*self.antipatterns, *estimates, *(() if self.overlap is None else self.overlap.diagnostics))
        order = ("danger", "caution", "note")
        return tuple(sorted(dict.fromkeys(found), key=lambda d: order.index(d.severity)))
