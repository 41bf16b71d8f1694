"""Strategies: valid ways from the data to the effect, each with what it assumes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from butfor.core.diagnostic import Assumption
from butfor.core.serial import public_value
from butfor.identify.expression import ONE, Expression, to_latex, to_text
from butfor.identify.general.sources import OBSERVATION, Experiment
from butfor.identify.primal import Primal
from butfor.identify.proof import ProofStep, listed
from butfor.identify.sequential import Sequential

GRAPH = Assumption(
    "graph",
    "The graph is right: every arrow that it does not have, and every hidden cause that it does not name, is absent.",
    "Test its implications against the data; show it to someone who knows the field.",
)
LEARNED = Assumption(
    "class of graphs",
    "The graph is one of those that the drawn class stands for. If the class was learned: from enough rows, of "
    "variables that depend on each other wherever one causes the other.",
    "Learn it again from resampled rows and see which edges stay; show it to someone who knows the field.",
)
POSITIVITY = Assumption(
    "positivity",
    "Every combination of values that the formula divides by occurs.",
    "Look at the counts of rare combinations; merge rare levels.",
)
MONOTONE_INSTRUMENT = Assumption(
    "monotonicity",
    "The instrument moves nobody against its direction; then the answer is about those whom it moves. Or the effect is "
    "the same for all, and the answer is about all.",
    "Ask who would do the opposite of what the instrument suggests.",
)
EXCLUSION = Assumption(
    "exclusion",
    "The instrument reaches the outcome through the treatment alone, and shares no hidden cause with it. It follows "
    "from the arrows that the graph does not have.",
    "Regress the outcome on the instrument where the treatment cannot be taken; test the instrumental inequality.",
)
DECLARED_EXCLUSION = Assumption(
    "exclusion",
    "The instrument reaches the outcome through the treatment alone, and shares no hidden cause with it. You say so; "
    "no graph does.",
    EXCLUSION.probe,
)
RELEVANCE = Assumption(
    "relevance",
    "The instrument moves the treatment, and by more than chance would.",
    "Look at the first-stage F statistic.",
)
CONSISTENCY = Assumption(
    "consistency",
    "Each unit's outcome is what it would be under the treatment it got, and does not depend on others' treatments.",
    "Are there versions of the treatment, or units that influence each other? Cluster what belongs together.",
)
OVERLAP = Assumption(
    "overlap",
    "Every kind of unit had some chance of each arm.",
    "Look at the propensity plot and the effective sample size; ask about the ATO or trim where it fails.",
)


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """A way to identify the effect.

    Attributes:
        adjust_for: columns to adjust for.
        minimal: no column of `adjust_for` can be left out.
        estimand: the effect in terms of what can be observed.
        assumptions: what must be true, and how to probe it.
        implications: independences that follow and that the data could contradict.

    Class attributes:
        kind: the word in records.
        identifies: the graph alone makes the strategy an answer; others assume more than any graph says.
    """

    adjust_for: tuple[str, ...] = ()
    minimal: bool = False
    estimand: str = ""
    assumptions: tuple[Assumption, ...] = ()
    implications: tuple[str, ...] = ()

    kind: ClassVar[str] = ""
    identifies: ClassVar[bool] = True

    @property
    def uses(self) -> tuple[str, ...]:
        """The columns that the strategy rests on, beside treatment and outcome."""
        return self.adjust_for

    def describe(self) -> str:
        """The strategy in a sentence."""
        return f"Compute {self.estimand}."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        return {
            "kind": self.kind,
            "adjust_for": list(self.adjust_for),
            "minimal": self.minimal,
            "estimand": self.estimand,
            "assumptions": [{"name": a.name, "statement": a.statement, "probe": a.probe} for a in self.assumptions],
            "implications": list(self.implications),
        }


@public_value
@dataclass(frozen=True, kw_only=True)
class Randomization(Strategy):
    """Chance assigned the treatment, perhaps with another chance in each stratum.

    Attributes:
        precision: measured columns that influence the outcome and not the treatment; they can sharpen the answer.
    """

    within: tuple[str, ...] = ()
    precision: tuple[str, ...] = ()

    kind: ClassVar[str] = "randomization"

    def describe(self) -> str:
        """The strategy in a sentence."""
        inside = f" within {', '.join(self.within)}" if self.within else ""
        return f"Chance assigned the treatment{inside}, so the arms differ by nothing else."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        return {**super().to_dict(), "within": list(self.within), "precision": list(self.precision)}


@public_value
@dataclass(frozen=True, kw_only=True)
class Adjustment(Strategy):
    """Compare units that are alike in these columns.

    Attributes:
        optimal: of all valid sets the one with the smallest variance.
        declared: the user named the columns; no graph vouches for them.
    """

    optimal: bool = False
    declared: bool = False

    kind: ClassVar[str] = "adjustment"

    def describe(self) -> str:
        """The strategy in a sentence."""
        if not self.adjust_for:
            return "Nothing needs adjustment: treatment and outcome have no common cause."
        extra = " (the most precise valid set)" if self.optimal else ""
        word = ", on your word" if self.declared else ""
        return f"Compare units that are alike in {', '.join(self.adjust_for)}{extra}{word}."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        return {**super().to_dict(), "optimal": self.optimal, "declared": self.declared}


@public_value
@dataclass(frozen=True, kw_only=True)
class FrontDoor(Strategy):
    """Follow the effect through mediators that hidden causes of treatment and outcome do not touch.

    Attributes:
        mediators: nodes that carry the whole effect.
        given: covariates that are held fixed (the same as `adjust_for`).
        primal: the order in which an estimator goes through the columns.
    """

    mediators: tuple[str, ...] = ()
    primal: Primal | None = None

    kind: ClassVar[str] = "front_door"

    @property
    def uses(self) -> tuple[str, ...]:
        """Mediators and covariates."""
        return (*self.mediators, *self.adjust_for)

    @property
    def given(self) -> tuple[str, ...]:
        """Covariates that are held fixed."""
        return self.adjust_for

    def describe(self) -> str:
        """The strategy in a sentence."""
        inside = f", among units alike in {', '.join(self.given)}" if self.given else ""
        return f"Follow the effect through {', '.join(self.mediators)}, which carries all of it (front door){inside}."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        return {**super().to_dict(), "mediators": list(self.mediators), "given": list(self.given)}


@public_value
@dataclass(frozen=True, kw_only=True)
class Instrument(Strategy):
    """Use what moves the treatment and reaches the outcome through it alone.

    Attributes:
        instrument: the node.
        given: covariates that make it one (the same as `adjust_for`).
    """

    instrument: str = ""

    kind: ClassVar[str] = "instrument"
    identifies: ClassVar[bool] = False

    @property
    def uses(self) -> tuple[str, ...]:
        """Instrument and covariates."""
        return (self.instrument, *self.adjust_for)

    @property
    def given(self) -> tuple[str, ...]:
        """Covariates that are held fixed."""
        return self.adjust_for

    def describe(self) -> str:
        """The strategy in a sentence."""
        inside = f", among units alike in {', '.join(self.given)}" if self.given else ""
        return f"Use {self.instrument} as an instrument{inside}: the effect on those whom it moves."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        return {**super().to_dict(), "instrument": self.instrument, "given": list(self.given)}


@public_value
@dataclass(frozen=True, kw_only=True)
class Functional(Strategy):
    """Compute the expression that the general algorithm derives.

    Attributes:
        expression: the effect in terms of what is observed.
        columns: the columns of the expression beside treatments and outcomes.
        proof: how it follows.
        primal: the order for a doubly robust estimator, where there is one.
        sequential: the expression as a chain of averages, where there is one.
        sources: where the probabilities of the expression come from; the one table of observations by default.
    """

    expression: Expression = ONE
    columns: tuple[str, ...] = ()
    proof: tuple[ProofStep, ...] = ()
    primal: Primal | None = None
    sequential: Sequential | None = None
    sources: tuple[Experiment, ...] = (OBSERVATION,)

    kind: ClassVar[str] = "functional"

    @property
    def uses(self) -> tuple[str, ...]:
        """The columns of the expression."""
        return self.columns

    @property
    def needs_one_table(self) -> bool:
        """Are the observations of the study all that it takes?"""
        return self.sources == (OBSERVATION,)

    def describe(self) -> str:
        """The strategy in a sentence."""
        places = "" if self.needs_one_table else f", from {listed([s.describe() for s in self.sources])}"
        return f"Compute {self.estimand}{places}."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        formulas = {"expression": to_text(self.expression), "latex": to_latex(self.expression)}
        sources = [s.describe() for s in self.sources]
        return {**super().to_dict(), **formulas, "sources": sources, "proof": [asdict(step) for step in self.proof]}


@public_value
@dataclass(frozen=True, kw_only=True)
class Discontinuity(Strategy):
    """Compare units just above and just below a cutoff that decides the treatment."""

    running_variable: str = ""
    cutoff: float = 0.0
    fuzzy: bool = False

    kind: ClassVar[str] = "discontinuity"

    @property
    def uses(self) -> tuple[str, ...]:
        """The running variable."""
        return (self.running_variable, *self.adjust_for)

    def describe(self) -> str:
        """The strategy in a sentence."""
        who = " whom it moves" if self.fuzzy else ""
        return (
            f"Compare units around {self.running_variable} = {self.cutoff:g}: the effect on those at the cutoff{who}."
        )

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        own = {"running_variable": self.running_variable, "cutoff": self.cutoff, "fuzzy": self.fuzzy}
        return {**super().to_dict(), **own}


@public_value
@dataclass(frozen=True, kw_only=True)
class ParallelTrends(Strategy):
    """Compare changes over time between units that were treated and units that were not."""

    unit: str = ""
    time: str = ""

    kind: ClassVar[str] = "parallel_trends"

    @property
    def uses(self) -> tuple[str, ...]:
        """Unit and time."""
        return (self.unit, self.time, *self.adjust_for)

    def describe(self) -> str:
        """The strategy in a sentence."""
        return f"Compare changes over {self.time} between treated and untreated {self.unit}: the effect on the treated."

    def to_dict(self) -> dict[str, Any]:
        """The record that `butfor identify --json` prints."""
        return {**super().to_dict(), "unit": self.unit, "time": self.time}


def no_hidden_confounding(treatment: str, outcome: str, adjust_for: tuple[str, ...], *, declared: bool) -> Assumption:
    """The assumption that adjustment rests on."""
    alike = f"Among units alike in {', '.join(adjust_for)}, n" if adjust_for else "N"
    source = "You say so; no graph does." if declared else "It follows from the arrows that the graph does not have."
    return Assumption(
        "no hidden confounding",
        f"{alike}othing else causes both {treatment} and {outcome}. {source}",
        "Omitted-variable bounds, E-value, placebo outcomes; show the graph to someone who knows the field.",
    )
