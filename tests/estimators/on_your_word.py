"""Estimators that need columns in further roles, with the `fit` of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from butfor.estimators.base import Estimator, Fit


@dataclass(frozen=True)
class OnYourWord:
    """The estimator with some columns in a role of their own, and others beside the covariates."""

    estimator: Estimator
    roles: tuple[tuple[str, tuple[str, ...]], ...]
    beside: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.estimator.title

    def fit(self, frame: Any, *, covariates: Sequence[str] = (), **settings: Any) -> Fit:
        taken = {name for _, names in self.roles for name in names}
        given = [name for name in (*covariates, *self.beside) if name not in taken]
        return self.estimator.fit(frame, covariates=given, **dict(self.roles), **settings)  # type: ignore[arg-type]
