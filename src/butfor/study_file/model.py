"""What may stand in a study file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Scalar = bool | int | float | str


class Part(BaseModel):
    """A section whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EstimandPart(Part):
    """Whose average effect."""

    kind: Literal["ATE", "ATT", "ATC", "ATO", "LATE"] = "ATE"
    trim: float = Field(default=0.0, ge=0.0, lt=0.5, description="Leave out units with an arm less likely than this.")


class QuestionPart(Part):
    """What is asked."""

    treatment: str = Field(description="Column of what was done.")
    outcome: str = Field(description="Column of what it may have changed.")
    event: str | None = Field(
        default=None,
        description="Of an outcome that is a time: 1 where the event was seen then, 0 where it is censored.",
    )
    estimand: Literal["ATE", "ATT", "ATC", "ATO", "LATE"] | EstimandPart = Field(
        default="ATE",
        description="Whose average effect: ATE everyone, ATT the treated, ATC the untreated, ATO the overlap, "
        "LATE those whom an instrument moves.",
    )
    contrast: tuple[Scalar, Scalar] | None = Field(default=None, description="[treated level, reference level]")
    modifiers: tuple[str, ...] = Field(default=(), description="Columns whose subgroups get effects of their own.")
    arms: bool = Field(default=False, description="Treat a numeric treatment with several values as separate arms.")
    population: str | None = Field(default=None, description="Who the answer is about, in words.")
    decision: str | None = Field(default=None, description="What will be done with the answer, in words.")
    text: str = Field(default="", description="The question as one would ask a colleague.")


class DataPart(Part):
    """Where the data are."""

    path: str = Field(description="CSV, Parquet, a glob of these, or a DuckDB file; relative to the study file.")
    table: str | None = Field(default=None, description="Table of a DuckDB file.")
    missing: Literal["error", "drop"] = Field(default="error", description="What to do with rows with missing values.")
    weights: str | None = Field(default=None, description="Column of sampling weights.")
    cluster: str | None = Field(default=None, description="Column of units that were sampled or treated together.")


class DesignPart(Part):
    """How the treatment came about."""

    kind: Literal["observational", "randomized", "instrumented"] = "observational"
    within: tuple[str, ...] = Field(default=(), description="Strata of a randomised design.")
    cluster: str | None = Field(default=None, description="Units that were assigned together.")
    instrument: str | None = Field(default=None, description="Column that moved the treatment: a lottery, an offer.")
    given: tuple[str, ...] = Field(default=(), description="Columns given which the instrument is as good as random.")


class RefutePart(Part):
    """Which checks to run, and how often they simulate."""

    enabled: bool = True
    simulations: int | None = Field(default=None, ge=20, description="Simulations of each check; default: its own.")


class DecisionPart(Part):
    """What the outcome is worth."""

    value_per_unit: float = Field(description="Worth of one unit more of the outcome; negative when it is bad.")
    cost_per_treated: float = 0.0
    units: int | None = Field(default=None, ge=1, description="How many units the decision is about.")
    experiment_cost: float | None = Field(default=None, ge=0.0)


class StudyModel(Part):
    """A study file."""

    title: str = ""
    question: QuestionPart
    data: DataPart
    graph: str | None = Field(default=None, description="Arrow text, DOT, dagitty or GML; or a file that holds it.")
    design: DesignPart = DesignPart()
    covariates: tuple[str, ...] | None = Field(
        default=None, description="Columns to adjust for when there is no graph."
    )
    estimators: tuple[str | dict[str, dict[str, Any] | None], ...] = Field(
        default=(), description="Names, or {name: {setting: value}}; the first one answers. Default: chosen for you."
    )
    negative_outcomes: tuple[str, ...] = Field(
        default=(), description="Columns that the treatment cannot have changed."
    )
    mediators: tuple[str, ...] = Field(
        default=(), description="Columns on the way from treatment to outcome, for methods that split the effect."
    )
    refute: RefutePart = RefutePart()
    sensitivity: bool = True
    decision: DecisionPart | None = None
    seed: int = Field(default=0, ge=0)
