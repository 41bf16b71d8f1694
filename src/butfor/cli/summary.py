"""What a study found, in a terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from butfor.core.table import format_number
from butfor.estimators.estimates import Estimates
from butfor.study import Study

MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "inconclusive": ("?", "yellow")}
STYLES = {"danger": "red", "caution": "yellow", "note": "dim"}


def print_summary(study: Study, report: Path | None, as_json: Path | None) -> None:
    """The answer, its checks, the decision, and where the files are."""
    console = Console(highlight=False)
    record = study.record()
    console.print()
    console.print(Text(record.title or record.question.sentence, style="bold"))
    console.print(f"A {record.framing.kind} question. {record.identification.explanation}", markup=False)
    if record.estimates is None:
        console.print(Text("Nothing was estimated: no number would answer the question.", style="bold red"))
    else:
        _print_estimates(console, record.estimates)
    if record.refutations is not None:
        for refutation in record.refutations.results:
            mark, style = MARKS[str(refutation.verdict)]
            console.print(Text.assemble((f" {mark} ", style), (f"{refutation.check}: ", "bold"), refutation.words))
    if record.sensitivity is not None:
        console.print(Text.assemble((" ~ ", "cyan"), ("sensitivity: ", "bold"), record.sensitivity.words))
    elif record.estimates is not None:
        console.print(Text(" ~ sensitivity to a hidden confounder was not examined", style="yellow"))
    for diagnostic in record.diagnostics:
        if diagnostic.severity != "note":
            console.print(Text.assemble((f" ! {diagnostic.name}: ", STYLES[diagnostic.severity]), diagnostic.message))
    if record.decision is not None:
        console.print()
        console.print(Text.assemble(("Decision: ", "bold"), record.decision.words))
    console.print()
    for name, path in (("report", report), ("JSON", as_json)):
        if path is not None:
            console.print(f"{name}: {path.resolve()}", markup=False, soft_wrap=True)
    if report is None and as_json is None:
        console.print("Nothing was written; add --report report.html for the report.", style="dim")


def _print_estimates(console: Console, estimates: Estimates) -> None:
    several = any(len(fit.result.labels) > 1 for fit in estimates.all)
    table = RichTable(box=None, header_style="dim", pad_edge=False)
    for name in ("estimator", "estimand", *(["effect"] if several else [])):
        table.add_column(name)
    for name in ("estimate", "std. error", "95 % interval", "n"):
        table.add_column(name, justify="right")
    for index, fit in enumerate(estimates.all):
        for row in fit.result.tidy():
            low, high = (format_number(float(row[k] or 0.0), 3) for k in ("conf_low", "conf_high"))
            naive = fit is estimates.naive
            name = "naive difference" if naive else fit.estimator.title
            style = "bold" if index == 0 else ("dim" if naive else "")
            table.add_row(
                Text(name),
                Text(fit.result.estimand.label),
                *([Text(str(row["term"]))] if several else []),
                format_number(float(row["estimate"] or 0.0), 3),
                format_number(float(row["std_error"] or 0.0), 3),
                f"{low} to {high}",
                f"{fit.result.n:,}",
                style=style,
            )
    console.print()
    console.print(table)
    console.print()
