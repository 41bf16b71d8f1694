"""butfor: run, demo, new, schema, identify."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="butfor",
    help="From a decision to a causal answer that survives scrutiny.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ReportOption = Annotated[Path | None, typer.Option("--report", help="Write the HTML report here.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write everything as JSON here.")]
SeedOption = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of folds and simulations.")]
FailOption = Annotated[str | None, typer.Option("--fail-on", help="'refuted': exit with 1 when a check fails.")]


def _version(value: bool) -> None:
    if value:
        from butfor import __version__

        typer.echo(f"butfor {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a decision to a causal answer that survives scrutiny."""
    del version  # its callback has answered
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without a letter for "−" must not end the run
            stream.reconfigure(errors="backslashreplace")


@app.command()
def run(
    study: Annotated[Path, typer.Argument(help="The study file.")],
    report: ReportOption = None,
    json: JsonOption = None,
    seed: SeedOption = None,
    fail_on: FailOption = None,
) -> None:
    """Run a study: identify, estimate, refute, decide, report."""
    from butfor.cli.outputs import Outputs
    from butfor.cli.run import run_study

    raise typer.Exit(run_study(study, Outputs(report, json), seed=seed, fail_on=fail_on, command=_command()))


@app.command()
def demo(
    report: Annotated[Path, typer.Option("--report", help="Write the HTML report here.")] = Path("report.html"),
    json: JsonOption = None,
    seed: SeedOption = None,
) -> None:
    """Run the study that ships with the package: does quitting smoking change weight?"""
    from butfor.cli.outputs import Outputs
    from butfor.cli.run import demo_study, run_study

    raise typer.Exit(run_study(demo_study(), Outputs(report, json), seed=seed, fail_on=None, command=_command()))


@app.command()
def new(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("study.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented study file."""
    from butfor.cli.files import new_study

    raise typer.Exit(new_study(path, force=force))


@app.command()
def schema() -> None:
    """Print the JSON schema of study files."""
    from butfor.cli.files import print_schema

    raise typer.Exit(print_schema())


@app.command()
def identify(
    graph: Annotated[str, typer.Argument(help="A graph (text or file), or a study file.")],
    *,
    treatment: Annotated[
        list[str] | None, typer.Option("--treatment", help="Name of the treatment; repeatable.")
    ] = None,
    outcome: Annotated[list[str] | None, typer.Option("--outcome", help="Name of the outcome; repeatable.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--given", help="Ask about units alike in this node; repeatable.")
    ] = None,
    latent: Annotated[
        list[str] | None, typer.Option("--latent", help="A node that was not measured; repeatable.")
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option("--source", help="Data beside the observations, like 'trial do(x) differs(age)'; repeatable."),
    ] = None,
    without_observation: Annotated[
        bool, typer.Option("--without-observation", help="There are no observations, only the sources.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="List up to 1,000 strategies of a kind, not 20.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether and how an effect is identified."""
    from butfor.cli.identification import Asked, print_identification

    asked = Asked(
        tuple(treatment or ()),
        tuple(outcome or ()),
        tuple(given or ()),
        tuple(latent or ()),
        tuple(source or ()),
        without_observation,
    )
    raise typer.Exit(print_identification(graph, asked, everything=everything, as_json=json))


def _command() -> str:
    import shlex

    return shlex.join(["butfor", *sys.argv[1:]])


if __name__ == "__main__":
    app()
