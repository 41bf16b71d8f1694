"""What is asked of a graph: outcomes under interventions, perhaps among those with given properties."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from butfor.core.errors import InvalidSetting, RoleConflict
from butfor.core.serial import public_value
from butfor.identify.expression import quoted_names
from butfor.question import Question


@public_value
@dataclass(frozen=True)
class Query:
    """P(outcomes | do(treatments), given).

    Args:
        treatments: what is set, one node or several.
        outcomes: what is looked at.
        given: properties that the units asked about have in common.

    Raises:
        RoleConflict: for a node in two roles.
        InvalidSetting: without treatment or outcome.

    >>> print(Query(("x1", "x2"), ("y",), given=("z",)))
    P(y | do(x1, x2), z)
    """

    treatments: tuple[str, ...]
    outcomes: tuple[str, ...]
    given: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for role in ("treatments", "outcomes", "given"):
            object.__setattr__(self, role, _names(getattr(self, role)))
        for role in ("treatments", "outcomes"):
            if not getattr(self, role):
                raise InvalidSetting(
                    f"There are no {role}; identification needs at least one treatment and one outcome.",
                    hint='Query("x", "y")',
                )
        roles = [(n, role) for role in ("treatments", "outcomes", "given") for n in getattr(self, role)]
        seen: dict[str, str] = {}
        for name, role in roles:
            if name in seen:
                raise RoleConflict(
                    f"Node {name!r} is among {seen[name]} and {role}; a query needs each node in one role.",
                    hint=f"leave {name!r} out of one of them",
                )
            seen[name] = role

    @classmethod
    def of(cls, question: Question | Query) -> Query:
        """The query of a question."""
        if isinstance(question, Query):
            return question
        return cls((question.treatment,), (question.outcome,))

    @property
    def treatment(self) -> str:
        """The treatments in words."""
        return ", ".join(self.treatments)

    @property
    def outcome(self) -> str:
        """The outcomes in words."""
        return ", ".join(self.outcomes)

    @property
    def is_plain(self) -> bool:
        """One treatment, one outcome, no conditions."""
        return len(self.treatments) == len(self.outcomes) == 1 and not self.given

    def __str__(self) -> str:
        given = f", {quoted_names(self.given)}" if self.given else ""
        return f"P({quoted_names(self.outcomes)} | do({quoted_names(self.treatments)}){given})"


def _names(names: Iterable[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
