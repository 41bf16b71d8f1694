"""The question: which treatment, which outcome, whose effect, and what for."""

from __future__ import annotations

from dataclasses import dataclass, field

from butfor.core.errors import InvalidSetting, RoleConflict
from butfor.core.serial import public_value
from butfor.question.estimands import ATE, Estimand

Level = str | float | int | bool


@public_value
@dataclass(frozen=True)
class Question:
    """What is asked of the data.

    Args:
        treatment: column of what was done (two levels, several levels, or a number).
        outcome: column of what it is hoped to change (numeric).
        event: column that says of an outcome which is a time whether the event was seen then (1), or whether sight was
            lost before it came (0, censored). Without it every outcome is known.
        estimand: whose average effect: `ATE()`, `ATT()`, `ATC()`, `ATO()`.
        contrast: (treated level, reference level). Default: every level against the first one in sorted order;
            for a numeric treatment, one unit more.
        modifiers: columns along which the effect is wanted as well; each gives one effect per subgroup.
        population: who the answer is about, in words; the report shows it.
        arms: True treats a numeric treatment with more than two values as separate arms, not as an amount.
        decision: what will be done with the answer, in words; decides whether the question is causal at all.
        text: the question as one would ask a colleague.

    Raises:
        RoleConflict: when one column is treatment and outcome, or the event or a modifier is one of them.
    """

    treatment: str
    outcome: str
    estimand: Estimand = field(default_factory=ATE)
    contrast: tuple[Level, Level] | None = None
    modifiers: tuple[str, ...] = ()
    population: str | None = None
    arms: bool = False
    decision: str | None = None
    text: str = ""
    event: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "modifiers", (self.modifiers,) if isinstance(self.modifiers, str) else tuple(self.modifiers)
        )
        if self.treatment == self.outcome:
            raise RoleConflict(
                f"Column {self.treatment!r} is both treatment and outcome; a question needs two different columns.",
                hint="name the column that was changed as treatment and the column it may have changed as outcome",
            )
        if self.event is not None and self.event in (self.treatment, self.outcome):
            raise RoleConflict(
                f"Event {self.event!r} is also treatment or outcome; a question about times needs a column of its own.",
                hint="name the column that is 1 where the event was seen and 0 where sight was lost before",
            )
        for name in self.modifiers:
            if name in (self.treatment, self.outcome, self.event):
                raise RoleConflict(
                    f"Modifier {name!r} is also treatment, outcome or event; a modifier needs to be known before "
                    "treatment.",
                    hint=f"remove {name!r} from modifiers",
                )
        if self.contrast is not None:
            if len(self.contrast) != 2 or self.contrast[0] == self.contrast[1]:
                raise InvalidSetting(
                    f"contrast is {self.contrast!r}; a question needs two different levels.",
                    hint="contrast=(treated_level, reference_level)",
                )
            object.__setattr__(self, "contrast", tuple(self.contrast))

    @property
    def sentence(self) -> str:
        """The question in words, as given or composed."""
        return self.text or f"Does {self.treatment} change {self.outcome}?"
