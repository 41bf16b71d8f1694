"""Tables of the report: cells are text that is ready to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from butfor.core.table import Cell as Value
from butfor.core.table import Table
from butfor.discovery.proposal import NONE, GraphProposal
from butfor.estimators.base import Fit
from butfor.refute.omitted_variable import Benchmark
from butfor.refute.refutation import Refutations
from butfor.report.instrument import instrument_of
from butfor.report.numbers import decimals_of, interval, number, p_value, percent, sentence_case
from butfor.report.record import StudyRecord

TONES = {"passed": "good", "failed": "bad", "inconclusive": "unsure"}


@dataclass(frozen=True)
class Cell:
    """Text, a quieter second line, and a tone (with its glyph) where the cell is a verdict."""

    text: str
    sub: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Column:
    """A heading; numbers are set to the right, long texts get room."""

    name: str
    kind: str = ""


@dataclass(frozen=True)
class Grid:
    """A table; the first cell of each row is its heading."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    primary: int | None = None


def estimates_grid(record: StudyRecord) -> Grid:
    """Every estimator and every effect, the naive difference last."""
    estimates = record.estimates
    assert estimates is not None
    several = len(estimates.primary.result.labels) > 1
    rows: list[tuple[Cell, ...]] = []
    for fit in estimates.all:
        limits = fit.result.interval()
        for i, term in enumerate(fit.result.labels):
            low, high = (float(v) for v in limits[i])
            decimals = decimals_of(low, high)
            rows.append(
                (
                    Cell(fit_name(record, fit), term if several else ""),
                    Cell(number(float(fit.result.value[i]), decimals)),
                    Cell(interval(low, high, decimals)),
                    Cell(number(float(fit.result.std_error[i]), None if decimals is None else decimals + 1)),
                    Cell("" if fit.strategy.kind == "bounds" else p_value(float(fit.result.p_value[i]))),
                    Cell(f"{fit.result.n:,}"),
                    Cell(fit.result.estimand.label, _estimand_note(record, fit)),
                )
            )
    columns = (
        Column("Estimator"),
        Column("Effect", "number"),
        Column("95 % interval", "number"),
        Column("Std. error", "number"),
        Column("p", "number"),
        Column("Rows", "number"),
        Column("Whose effect"),
    )
    caption = "All estimates of the same question on the same rows. The shaded row answers it."
    return Grid(caption, columns, tuple(rows), primary=0)


def fit_name(record: StudyRecord, fit: Fit) -> str:
    """The estimator, with its adjustment set where that is not the primary one."""
    assert record.estimates is not None
    if fit is record.estimates.naive:
        return "Naive difference (adjusts for nothing)"
    instrument = instrument_of(fit)
    if instrument is not None and instrument != instrument_of(record.estimates.primary):
        return f"{fit.estimator.title} by {instrument}"
    if fit.strategy.adjust_for != record.estimates.primary.strategy.adjust_for:
        return f"{fit.estimator.title}, adjusting for {', '.join(fit.strategy.adjust_for) or 'nothing'}"
    return fit.estimator.title


def _estimand_note(record: StudyRecord, fit: Fit) -> str:
    assert record.estimates is not None
    if fit is record.estimates.naive:
        return "not causal"
    same = fit.result.estimand == record.question.estimand
    return "as asked" if same else f"not the {record.question.estimand.label} asked for: {fit.result.estimand.words}"


def comparison_grid(table: Table) -> Grid:
    """Each other estimate less the primary one."""
    rows = [
        (
            Cell(str(row["estimator"]), f"adjusting for {row['adjust_for']}" if row["adjust_for"] else ""),
            Cell(number(_float(row["difference"]))),
            Cell(number(_float(row["std_error"]))),
            Cell(p_value(_float(row["p_value"]))),
            Cell("yes" if row["same_estimand"] else "no"),
        )
        for row in table
    ]
    columns = (
        Column("Estimator"),
        Column("Less primary", "number"),
        Column("Std. error", "number"),
        Column("p", "number"),
        Column("Same estimand"),
    )
    return Grid("Differences between estimators, with their standard error on the same rows.", columns, tuple(rows))


def refutations_grid(refutations: Refutations, decimals: int | None) -> Grid:
    """One row per check: what it asks, what it found, the verdict."""
    rows = [
        (
            Cell(sentence_case(r.check), r.asks),
            Cell(number(r.refuted_estimate, decimals)),
            Cell(p_value(r.p_value)),
            Cell(p_value(r.adjusted_p_value)),
            Cell(str(r.verdict), tone=TONES[r.verdict]),
            Cell(sentence_case(r.words.removeprefix(f"{r.verdict.capitalize()}: "))),
        )
        for r in refutations
    ]
    columns = (
        Column("Check"),
        Column("It found", "number"),
        Column("p", "number"),
        Column("p, adjusted", "number"),
        Column("Verdict"),
        Column("In plain words", "wide"),
    )
    return Grid("Each check with its verdict; p-values are adjusted over the whole battery.", columns, tuple(rows))


def benchmarks_grid(benchmarks: Sequence[Benchmark]) -> Grid:
    """Hidden confounders as strong as measured covariates, and what they would leave of the effect."""
    rows: list[tuple[Cell, ...]] = []
    for b in benchmarks:
        decimals = decimals_of(b.conf_low, b.conf_high)
        rows.append(
            (
                Cell(f"{b.multiple} × {b.covariate}"),
                Cell(percent(b.treatment_strength, 1)),
                Cell(percent(b.outcome_strength, 1)),
                Cell(number(b.estimate, decimals)),
                Cell(interval(b.conf_low, b.conf_high, decimals)),
            )
        )
    columns = (
        Column("A hidden confounder like"),
        Column("Explains of treatment", "number"),
        Column("of outcome", "number"),
        Column("Effect left", "number"),
        Column("95 % interval", "number"),
    )
    return Grid(
        "What hidden confounders as strong as measured covariates would leave of the effect.", columns, tuple(rows)
    )


def balance_grid(table: Table) -> Grid:
    """Covariates by arm, with their differences before and after weighting."""
    several = len(set(table.column("contrast"))) > 1
    rows = [
        (
            Cell(str(row["covariate"]), str(row["contrast"]) if several else ""),
            Cell(number(_float(row["mean_treated"]))),
            Cell(number(_float(row["mean_reference"]))),
            Cell(number(_float(row["standardised_before"]), 3)),
            Cell(number(_float(row["standardised_after"]), 3)),
            Cell(number(_float(row["variance_ratio_after"]), 2)),
            Cell(number(_float(row["ks_after"]), 3)),
        )
        for row in table
    ]
    columns = (
        Column("Covariate"),
        Column("Mean, treated", "number"),
        Column("Mean, reference", "number"),
        Column("Std. diff. before", "number"),
        Column("after", "number"),
        Column("Variance ratio after", "number"),
        Column("KS after", "number"),
    )
    caption = "Differences between the arms in standard deviations, before and after weighting."
    return Grid(caption, columns, tuple(rows))


def plain_grid(table: Table, caption: str) -> Grid:
    """Any table as it is; a single row is turned into one line per quantity."""
    if len(table) == 1:
        lines = [
            (Cell(sentence_case(name.replace("_", " "))), Cell(_text(value)))
            for name, value in zip(table.names, table.rows[0], strict=True)
        ]
        return Grid(caption, (Column("Quantity"), Column("Value", "number")), tuple(lines))
    numeric = [all(isinstance(v, int | float) or v is None for v in table.column(name)) for name in table.names]
    columns = tuple(
        Column(sentence_case(name.replace("_", " ")), "number" if right else "")
        for name, right in zip(table.names, numeric, strict=True)
    )
    rows = tuple(tuple(Cell(_text(v)) for v in row) for row in table.rows)
    return Grid(caption, columns, rows)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else "" if value is None else value


def _float(value: Value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def learned_grid(proposal: GraphProposal) -> Grid:
    """The edges of a learned graph, and the share of resamples that agree."""
    rows = [
        (Cell(f"{row['first']} {row['edge']} {row['second']}"), Cell(percent(_float(row["share"]))))
        for row in proposal.stability
        if row["edge"] != NONE
    ]
    caption = f"Share of {proposal.resamples:,} bootstrap resamples that have the edge as it is drawn."
    return Grid(caption, (Column("Edge"), Column("Resamples that agree", "number")), tuple(rows))
