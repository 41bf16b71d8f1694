"""Effects of units beside EconML and CausalML: python -m benchmarks.meta [docs/benchmarks-meta.md] [draws]"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import cross_val_predict

from benchmarks.nie_wager import Draw, draw

KINDS = ("S", "T", "X", "R", "DR")
TREES = {"max_iter": 60, "learning_rate": 0.1, "max_leaf_nodes": 8, "min_samples_leaf": 20, "random_state": 0}
Effects = Callable[[Draw, int], dict[str, np.ndarray]]

HEAD = """# Benchmarks of meta-learners

Written by `python -m benchmarks.meta`: the four setups of Nie and Wager (2021, section 4), 500 rows, six covariates,
noise of variance one. Mean squared error of the effect at 1,000 new points, its mean over {draws} draws (and standard
error), with another split of the rows in each draw; CPU seconds of all that a row does in one draw. {versions}.

A: hard confounding, simple effect. B: randomised. C: the same effect for all. D: arms with nothing in common.

*Same trees*: every model, the effect's too, is 60 boosted trees of 8 leaves, untuned and never stopped early.
*Defaults*: what Butfor does when no model is named.
"""
NOTES = """
**What the first rows compare.** With the same trees, S-, T- and X-learners are the same method everywhere, and agree.
R-learners differ by chance: by the split of the rows, and by a single draw of A in which the estimated propensity is
far off. Over eight draws of A with five splits each, Butfor's error is 1.10 (0.22) and EconML's 1.15 (0.28).
The DR-learners of Butfor and EconML regress all scores at once; CausalML's cuts the rows into thirds, learns the effect
in each, and averages three models. That is a strong regularisation of trees that have none of their own: Butfor's own
scores, regressed in thirds and averaged, give errors of 1.3, 0.7, 1.8 and 1.7 in A to D (12 draws).
Trees that stop early, or the mix with a constant that is Butfor's default, gain more than thirds do, and leave all rows
to learners that are well regularised. Hence Butfor does not cut.

**What to take from it.** Doubly robust scores are noisy (a propensity of .05 multiplies a residual by 20). Never
regress them with a learner that fits noise. With the same trees the stack is best in every setup. With the default
models, which doubt by themselves, no learner is best everywhere, and the stack is within .05 of the best in each setup.
"""


def trees() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(**TREES)


def classifier() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(**TREES)


def butfor(models: str) -> Effects:
    """All learners on one set of nuisances, and the stack of them."""

    def run(data: Draw, seed: int) -> dict[str, np.ndarray]:
        import butfor as bf

        effect = trees() if models == "same trees" else None
        learners = {
            "S": bf.SLearner(),
            "T": bf.TLearner(),
            "X": bf.XLearner(effect_model=effect),
            "R": bf.RLearner(effect_model=effect),
            "DR": bf.DRLearner(effect_model=effect),
        }
        learners["stack"] = bf.EffectStack(candidates=tuple(learners.values()))
        names = [f"x{j}" for j in range(data.x.shape[1])]
        frame = dict(zip(names, data.x.T, strict=True)) | {"w": data.treatment, "y": data.outcome}
        nuisance = {"outcome_model": trees(), "propensity_model": classifier()} if effect is not None else {}
        fit = bf.TLearner(**nuisance).fit(frame, treatment="w", outcome="y", covariates=names, rng=seed)
        return {name: learner.learn(fit.nuisances).predict(data.points)[:, 0] for name, learner in learners.items()}

    return run


def econml(data: Draw, seed: int) -> dict[str, np.ndarray]:
    from econml.dml import NonParamDML
    from econml.dr import DRLearner
    from econml.metalearners import SLearner, TLearner, XLearner

    split = {"cv": 5, "random_state": seed}
    models = {
        "S": SLearner(overall_model=trees()),
        "T": TLearner(models=trees()),
        "X": XLearner(models=trees(), propensity_model=classifier(), cate_models=trees()),
        "R": NonParamDML(model_y=trees(), model_t=classifier(), model_final=trees(), discrete_treatment=True, **split),
        "DR": DRLearner(
            model_regression=trees(), model_propensity=classifier(), model_final=trees(), min_propensity=0.01, **split
        ),
    }
    return {k: np.ravel(m.fit(data.outcome, data.treatment, X=data.x).effect(data.points)) for k, m in models.items()}


def causalml(data: Draw, seed: int) -> dict[str, np.ndarray]:
    from causalml.inference.meta import (
        BaseDRRegressor,
        BaseRRegressor,
        BaseSRegressor,
        BaseTRegressor,
        BaseXRegressor,
    )

    found = cross_val_predict(classifier(), data.x, data.treatment, cv=5, method="predict_proba")[:, 1]
    inside = np.clip(found, 0.01, 0.99)
    outside = np.clip(classifier().fit(data.x, data.treatment).predict_proba(data.points)[:, 1], 0.01, 0.99)
    roles = {"X": data.x, "treatment": data.treatment, "y": data.outcome}
    effects = {}
    for name, kind in {"S": BaseSRegressor, "T": BaseTRegressor}.items():
        model = kind(trees())
        model.fit(**roles)
        effects[name] = model.predict(data.points)
    crossed = BaseXRegressor(trees())
    crossed.fit(p=inside, **roles)
    effects["X"] = crossed.predict(data.points, p=outside)
    residuals, robust = BaseRRegressor(trees(), random_state=seed), BaseDRRegressor(trees())
    residuals.fit(p=inside, **roles)
    robust.fit(p=inside, seed=seed, **roles)
    effects |= {"R": residuals.predict(data.points), "DR": robust.predict(data.points)}
    return {name: np.ravel(effect) for name, effect in effects.items()}


CONTESTANTS: dict[str, Effects] = {
    "Butfor, same trees": butfor("same trees"),
    "EconML, same trees": econml,
    "CausalML, same trees": causalml,
    "Butfor, defaults": butfor("defaults"),
}


def row(setup: str, name: str, contestant: Effects, draws: int) -> str:
    """Mean squared errors of one contestant in one setup."""
    errors: dict[str, list[float]] = {}
    start = time.process_time()
    for seed in range(draws):
        data = draw(setup, 1000 + seed)
        try:
            found = contestant(data, seed)
        except ImportError:
            return f"| {setup} | {name} | not installed | | | | | | |\n"
        for kind, effect in found.items():
            errors.setdefault(kind, []).append(float(np.mean((effect - data.truth) ** 2)))
    cells = [_cell(errors.get(kind, [])) for kind in (*KINDS, "stack")]
    return f"| {setup} | {name} | {' | '.join(cells)} | {(time.process_time() - start) / draws:.1f} |\n"


def _cell(errors: list[float]) -> str:
    return f"{np.mean(errors):.2f} ({np.std(errors, ddof=1) / np.sqrt(len(errors)):.2f})" if errors else ""


def versions() -> str:
    found = [f"{name} {metadata.version(name)}" for name in ("butfor", "scikit-learn")]
    for name in ("econml", "causalml"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def main() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/benchmarks-meta.md")
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    parts = [HEAD.format(draws=draws, versions=versions())]
    parts.append("\n| setup | who | S | T | X | R | DR | stack | CPU s |\n")
    parts.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
    for setup in "ABCD":
        for name, contestant in CONTESTANTS.items():
            parts.append(row(setup, name, contestant, draws))
            sys.stdout.write(parts[-1])
            sys.stdout.flush()
            target.write_text("".join(parts) + NOTES, encoding="utf-8")


if __name__ == "__main__":
    main()
