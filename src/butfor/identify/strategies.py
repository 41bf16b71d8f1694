"""Strategies: valid ways from the data to the effect, each with what it assumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from butfor.core.diagnostic import Assumption
from butfor.core.serial import public_value

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
    """

    adjust_for: tuple[str, ...] = ()
    minimal: bool = False
    estimand: str = ""
    assumptions: tuple[Assumption, ...] = ()
    implications: tuple[str, ...] = ()

    kind: ClassVar[str] = ""

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


def adjustment_estimand(treatment: str, outcome: str, adjust_for: tuple[str, ...]) -> str:
    """P(outcome | do(treatment)) without do."""
    if not adjust_for:
        return f"P({outcome} | {treatment})"
    z = ", ".join(adjust_for)
    return f"Σ_{{{z}}} P({outcome} | {treatment}, {z}) P({z})"


def no_hidden_confounding(treatment: str, outcome: str, adjust_for: tuple[str, ...], *, declared: bool) -> Assumption:
    """The assumption that adjustment rests on."""
    alike = f"Among units alike in {', '.join(adjust_for)}, n" if adjust_for else "N"
    source = "You say so; no graph does." if declared else "It follows from the arrows that the graph does not have."
    return Assumption(
        "no hidden confounding",
        f"{alike}othing else causes both {treatment} and {outcome}. {source}",
        "Omitted-variable bounds, E-value, placebo outcomes; show the graph to someone who knows the field.",
    )
