"""One self-contained HTML file from everything that a study found."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from butfor.core.errors import UnwritablePath
from butfor.core.provenance import versions
from butfor.decide.decision import HEADLINES, Decision
from butfor.refute.refutation import Refutation
from butfor.report.answer import GLYPHS, answer, notices, verdicts, what_would_change
from butfor.report.graph_drawing import draw_graph
from butfor.report.grids import (
    Grid,
    balance_grid,
    benchmarks_grid,
    comparison_grid,
    estimates_grid,
    learned_grid,
    plain_grid,
    refutations_grid,
)
from butfor.report.instrument import Fact, instrument_facts, instrument_of
from butfor.report.numbers import (
    arrows,
    count,
    decimals_of,
    given,
    interval,
    number,
    percent,
    probability,
    sentence_case,
)
from butfor.report.pictures import Plate, check_precision, pictures, plate
from butfor.report.reasons import used_strategy, why
from butfor.report.record import StudyRecord

CONTENTS = (
    ("graph", "The causal graph"),
    ("identification", "Why this is causal"),
    ("estimates", "The estimates"),
    ("overlap", "Can the groups be compared?"),
    ("refutations", "Attempts to break it"),
    ("sensitivity", "Hidden confounding"),
    ("change", "What would change the conclusion"),
    ("decision", "The decision"),
    ("caveats", "Caveats"),
    ("provenance", "Where it comes from"),
)
# In place of the overlap, which an instrument does not need.
INSTRUMENT = ("instrument", "What the instrument does")
# Opens what is folded away before printing, in browsers whose print styles cannot.
SCRIPT = 'addEventListener("beforeprint",()=>{for(const d of document.querySelectorAll("details"))d.open=true})'
NEXT_TO_NOTHING = 1e-3
TONES = {"note": "info", "caution": "unsure", "danger": "bad"}


@dataclass(frozen=True)
class CheckDetail:
    """What one check leaves for those who want to see more."""

    name: str
    line: str
    picture: Plate | None
    grid: Grid | None


def render(record: StudyRecord) -> str:
    """The report as one HTML page that needs no other file, no network and no script.

    >>> from butfor.report.html import CONTENTS
    >>> [name for name, _ in CONTENTS][:3]
    ['graph', 'identification', 'estimates']
    """
    return _environment().get_template("page.html.j2").render(_context(record))


def write_report(record: StudyRecord, path: Path) -> Path:
    """Write the report; nothing is left behind when that fails.

    Raises:
        UnwritablePath: when the file cannot be written.
    """
    page = render(record)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UnwritablePath(
            f"Report path is {str(path)!r}; a report needs a file that can be written ({error.strerror}).",
            hint="choose a folder that exists and that you may write to",
        ) from error
    return path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("butfor.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["arrows"] = arrows
    shared: dict[str, Any] = {"glyphs": GLYPHS, "tones": TONES}
    environment.globals.update(shared)
    return environment


@cache
def _style() -> str:
    return resources.files("butfor.report").joinpath("style.css").read_text(encoding="utf-8")


def _context(record: StudyRecord) -> dict[str, Any]:
    drawn = pictures(record)
    graph = record.identification.graph or record.graph
    drawing = None if graph is None else draw_graph(graph, record.question, _adjusted(record))
    return {
        "record": record,
        "title": record.title or record.question.sentence,
        "answer": answer(record),
        "verdicts": verdicts(record),
        "notices": notices(record),
        "contents": _contents(record),
        "drawing": drawing,
        "learned_edges": None
        if record.learned is None or not record.learned.resampled
        else learned_grid(record.learned),
        "why": why(record),
        "pictures": {name: drawn.get(name) for name in (*drawn, *PICTURES)},
        "grids": _grids(record),
        "overlap_facts": _overlap_facts(record),
        "instrument": _instrument(record),
        "instrument_facts": () if record.estimates is None else instrument_facts(record.estimates.primary),
        "check_details": _check_details(record),
        "sensitivity_words": _sensitivity_words(record),
        "sensitivity_notes": _sensitivity_notes(record),
        "changes": what_would_change(record),
        "recommendation": _recommendation(record),
        "decision_facts": _decision_facts(record),
        "losses": _losses(record),
        "style": Markup(_style()),
        "script": Markup(SCRIPT),
        "script_hash": base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode(),
        "version": versions().get("butfor", ""),
    }


def _contents(record: StudyRecord) -> tuple[tuple[str, str], ...]:
    """Sections with their headings; without a way to the effect there is nothing to estimate, to break or to decide."""
    if record.identification.status != "not_identified" or record.estimates is not None:
        if _instrument(record) is None:
            return CONTENTS
        return tuple(INSTRUMENT if name == "overlap" else (name, heading) for name, heading in CONTENTS)
    kept = ("graph", "identification", "caveats", "provenance")
    headings = dict(CONTENTS) | {"identification": "Why this is not identified"}
    return tuple((name, headings[name]) for name in kept)


def _instrument(record: StudyRecord) -> str | None:
    return None if record.estimates is None else instrument_of(record.estimates.primary)


PICTURES = ("estimates", "terms", "overlap", "balance", "refutations", "sensitivity", "decision")


def _adjusted(record: StudyRecord) -> tuple[str, ...]:
    strategy = used_strategy(record)
    return () if strategy is None else strategy.adjust_for


def _grids(record: StudyRecord) -> dict[str, Grid | None]:
    bounds = None if record.sensitivity is None else record.sensitivity.omitted_variable
    return {
        "estimates": None if record.estimates is None else estimates_grid(record),
        "comparison": None if record.estimates is None else comparison_grid(record.estimates.comparison()),
        "balance": None if record.balance is None else balance_grid(record.balance),
        "refutations": None
        if record.refutations is None
        else refutations_grid(record.refutations, check_precision(record)),
        "benchmarks": None if bounds is None else benchmarks_grid([b for b in bounds.benchmarks if b.multiple == 1]),
        "multiples": None if bounds is None else benchmarks_grid([b for b in bounds.benchmarks if b.multiple > 1]),
    }


def _check_details(record: StudyRecord) -> tuple[CheckDetail, ...]:
    results = () if record.refutations is None else record.refutations.results
    return tuple(_check_detail(i, r) for i, r in enumerate(results) if r.figure is not None or r.table is not None)


def _check_detail(i: int, result: Refutation) -> CheckDetail:
    return CheckDetail(
        name=sentence_case(result.check),
        line=f"{count(result.simulations, 'simulation')}, seed {result.seed}.",
        picture=None if result.figure is None else plate(f"check-{i}", result.figure),
        grid=None if result.table is None else plain_grid(result.table, f"{sentence_case(result.check)} in numbers."),
    )


def _sensitivity_words(record: StudyRecord) -> tuple[str, ...]:
    if record.sensitivity is None:
        return ()
    parts = (record.sensitivity.omitted_variable, record.sensitivity.evalue)
    return tuple(part.words for part in parts if part is not None) or (record.sensitivity.words,)


def _sensitivity_notes(record: StudyRecord) -> tuple[str, ...]:
    bounds = None if record.sensitivity is None else record.sensitivity.omitted_variable
    return () if bounds is None else (f"Method: {bounds.method}.", *bounds.notes)


def _losses(record: StudyRecord) -> tuple[tuple[str, str], ...]:
    if record.estimates is None:
        return ()
    loss = record.estimates.primary.sample.loss
    found = [(f"missing {name}", count(n, "row")) for name, n in loss.missing.items() if n]
    if loss.zero_weight:
        found.append(("no weight", count(loss.zero_weight, "row")))
    return tuple(found)


def _overlap_facts(record: StudyRecord) -> tuple[Fact, ...]:
    """Effective sample size of each arm of the first contrast."""
    if record.overlap is None:
        return ()
    rows = record.overlap.summary.to_dicts()
    name = record.question.treatment
    return tuple(
        (
            f"{name} = {row['arm']}: effective rows",
            number(_float(row["effective_rows"]), 0),
            f"of {row['rows']:,} rows, after weighting; {percent(_float(row['below_0.05']))} of all units had less "
            "than a 5\u00a0% chance of this arm",
        )
        for row in rows
        if row["contrast"] == rows[0]["contrast"]
    )


def _float(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _recommendation(record: StudyRecord) -> str:
    if record.decision is None:
        return ""
    return HEADLINES[record.decision.recommendation]


def _decision_facts(record: StudyRecord) -> tuple[Fact, ...]:
    d = record.decision
    if d is None:
        return ()
    decimals = decimals_of(d.net_low, d.net_high)
    prices = f"at {given(d.value_per_unit)} per unit of outcome and a cost of {given(d.cost_per_treated)} per treatment"
    effect_decimals = check_precision(record)
    total = d.total_value_of_information
    worth = f"; {_worth(total, d)} for all {d.units:,} units" if total is not None and d.units is not None else ""
    return (
        (
            "Net value per treated unit",
            number(d.net_value, decimals),
            f"95\u00a0% interval {interval(d.net_low, d.net_high, decimals)}",
        ),
        ("Probability that it pays", probability(d.probability_positive), "taking the estimate at face value"),
        ("Break-even effect", number(d.break_even_effect, effect_decimals), prices),
        ("Value of perfect information", _worth(d.value_of_perfect_information, d), f"per unit, at most{worth}"),
    )


def _worth(value: float, decision: Decision) -> str:
    """A value of information, which is next to nothing where the decision is clear."""
    return "almost nothing" if value < NEXT_TO_NOTHING * abs(decision.net_value) else number(value)
