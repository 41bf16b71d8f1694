"""The pictures of a report, each drawn twice: for a page and for a phone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from butfor.core.figure import Figure
from butfor.nuisance.balance import love_plot
from butfor.report import plots
from butfor.report.grids import fit_name
from butfor.report.numbers import decimals_of
from butfor.report.record import StudyRecord
from butfor.report.vega import draw, words

WIDE, NARROW = 752, 320


@dataclass(frozen=True)
class Plate:
    """A drawn figure; the page shows the drawing that fits its width."""

    name: str
    wide: Markup
    narrow: Markup
    caption: str


def plate(name: str, figure: Figure, caption: str = "") -> Plate:
    """Draw a figure for both widths."""
    wide = draw(figure, width=WIDE, prefix=f"{name}-wide")
    narrow = draw(figure, width=NARROW, prefix=f"{name}-narrow")
    return Plate(name, wide, narrow, caption or words(figure))


def pictures(record: StudyRecord) -> dict[str, Plate]:
    """Every picture that the stages which were run allow, by name."""
    figures: Mapping[str, Figure | None] = {
        "estimates": _estimates(record),
        "terms": _terms(record),
        "overlap": None if record.overlap is None else record.overlap.figure,
        "balance": None if record.balance is None else love_plot(record.balance),
        "refutations": _refutations(record),
        "sensitivity": None if record.sensitivity is None else record.sensitivity.figure,
        "decision": None if record.decision is None else record.decision.figure,
    }
    captions = {
        "estimates": "Effect with 95 % interval by each estimator. Filled circle: the estimate that answers the "
        "question. Open circles: other methods. Diamond: the naive difference between the groups. The vertical line is "
        "no effect.",
        "balance": "Standardised differences of each covariate between the arms, before and after weighting. Inside "
        "the dashed lines (0.1 standard deviations) they are usually too small to matter.",
        "refutations": "What each check found. Dashed line: the estimate that was checked; solid line: no effect. A "
        "placebo should land on no effect, the others on the estimate; a simulated confounder shows how far a hidden "
        "one would move it.",
    }
    return {name: plate(name, figure, captions.get(name, "")) for name, figure in figures.items() if figure is not None}


def _estimates(record: StudyRecord) -> Figure | None:
    if record.estimates is None:
        return None
    fits = record.estimates.all
    names = [fit_name(record, fit) for fit in fits]
    return plots.estimates_figure([fit.result.records()[0] for fit in fits], names, axis=_axis(record))


def _terms(record: StudyRecord) -> Figure | None:
    if record.estimates is None or len(record.estimates.primary.result.labels) == 1:
        return None
    return plots.terms_figure(record.estimates.primary.result.records(), axis=_axis(record))


def _refutations(record: StudyRecord) -> Figure | None:
    if record.refutations is None or not len(record.refutations):
        return None
    return plots.refutations_figure(record.refutations.records(), axis=_axis(record), decimals=check_precision(record))


def precision(record: StudyRecord) -> int | None:
    """Decimals that the primary estimate is worth."""
    if record.estimates is None:
        return None
    low, high = record.estimates.primary.result.interval()[0]
    return decimals_of(float(low), float(high))


def check_precision(record: StudyRecord) -> int | None:
    """Decimals for what checks found: one more, since placebo effects are small."""
    decimals = precision(record)
    return None if decimals is None else decimals + 1


def _axis(record: StudyRecord) -> str:
    return f"effect on {record.question.outcome}"
