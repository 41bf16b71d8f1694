"""What the estimators of direct and indirect effects ask of a strategy, a question and a sample."""

from __future__ import annotations

from collections.abc import Sequence

from butfor.core.errors import ConstantColumn, MethodMismatch
from butfor.data.sample import Sample
from butfor.identify.mediation.strategy import MediationStrategy
from butfor.identify.strategies import Strategy
from butfor.question import ATE, Question


def has_formula(strategy: Strategy, effects: str) -> bool:
    """Does the strategy have effects of this kind, by a formula with covariates?"""
    return isinstance(strategy, MediationStrategy) and strategy.effects == effects and strategy.formula


def mediators_of(strategy: Strategy, title: str, effects: str) -> tuple[str, ...]:
    """The mediators of a strategy that has effects of this kind, by a formula with covariates.

    Raises:
        MethodMismatch: for any other strategy.
    """
    if isinstance(strategy, MediationStrategy) and strategy.mediators:
        if has_formula(strategy, effects):
            return strategy.mediators
        how = "by a formula with covariates" if strategy.formula else "by the general formula"
        raise MethodMismatch(
            f"The strategy has {strategy.effects} effects {how} ({strategy.estimand}); {title} needs {effects} effects "
            "by a formula with covariates.",
            hint="measure what ties mediators and outcome, or ask for another kind of effect",
        )
    raise MethodMismatch(
        f"The strategy is {strategy.kind.replace('_', ' ')} and names no mediators; direct and indirect effects need "
        "them.",
        hint="fit(..., mediators=[...]), or mediation_strategy(identify_natural_effects(graph, ...))",
    )


def refuse_other_questions(
    title: str, sample: Sample, question: Question, strategy: Strategy, mediators: Sequence[str]
) -> None:
    """Refuse populations, subgroups and mediators for which there is no answer.

    Raises:
        MethodMismatch: for an estimand other than the ATE, or subgroups by a column that is no covariate.
        ConstantColumn: for a mediator with one value.
    """
    if question.estimand != ATE():
        raise MethodMismatch(
            f"The estimand is the {question.estimand.label}; {title} answers for everyone.", hint="estimand=bf.ATE()"
        )
    strange = [name for name in question.modifiers if name not in strategy.adjust_for]
    if strange:
        raise MethodMismatch(
            f"The question asks for subgroups by {strange[0]!r}; {title} needs modifiers among the covariates "
            f"({', '.join(strategy.adjust_for) or 'none'}).",
            hint=f"add {strange[0]!r} to the covariates if the treatment does not act on it",
        )
    constant = [name for name in mediators if name not in sample.covariates.source]
    if constant:
        raise ConstantColumn(
            f"Mediator {constant[0]!r} has one value in the rows used; an effect through it needs it to vary.",
            hint="check the column, and how the rows were selected",
        )
