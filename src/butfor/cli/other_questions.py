"""Questions beside the effect itself, answered from a graph: counterfactuals, direct and indirect effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from butfor.core.errors import InvalidSetting

if TYPE_CHECKING:
    from butfor.graph.causal_graph import CausalGraph
    from butfor.identify.general import Experiment
    from butfor.identify.mediation import Contrast, InterventionalEffects
    from butfor.identify.proof import ProofStep


def counterfactual_answer(graph: CausalGraph, query: str, sources: Sequence[Experiment]) -> tuple[str, dict[str, Any]]:
    """A probability of events in several worlds, as text and as a record."""
    from butfor.identify.counterfactual import identify_counterfactual

    found = identify_counterfactual(graph, query, sources)
    return str(found), found.to_dict()


def mediation_answer(
    graph: CausalGraph, treatment: str, outcome: str, mediators: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Natural, interventional and controlled effects with these mediators, as text and as a record."""
    from butfor.identify.direct_effects import identify_controlled_direct_effect
    from butfor.identify.mediation import identify_interventional_effects, identify_natural_effects

    natural = identify_natural_effects(graph, treatment, outcome, mediators)
    drawn = identify_interventional_effects(graph, treatment, outcome, mediators)
    controlled = identify_controlled_direct_effect(graph, treatment, outcome, mediators)
    record = {
        "natural": _record(natural.identified, natural.contrasts, natural.proof, natural.explanation),
        "interventional": _record(drawn.identified, drawn.contrasts, drawn.proof, _verdict(drawn)),
        "controlled_direct": {
            "identified": controlled.identified,
            "estimand": str(controlled),
            "adjust_for": None if controlled.adjust_for is None else list(controlled.adjust_for),
        },
    }
    lines = [*_section("Natural effects", natural.explanation, natural.contrasts, natural.proof)]
    if not natural.identified:
        lines += ["", *_section("Interventional effects", _verdict(drawn), drawn.contrasts, drawn.proof)]
    return "\n".join([*lines, "", "Controlled direct effect", str(controlled)]), record


def _verdict(drawn: InterventionalEffects) -> str:
    return f"{drawn.describe()} These effects are {'' if drawn.identified else 'not '}identified."


def path_answer(graph: CausalGraph, treatment: str, outcome: str, paths: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The effect along some paths, as text and as a record."""
    from butfor.identify.mediation import identify_path_specific

    found = identify_path_specific(graph, treatment, outcome, [_nodes_of(p) for p in paths])
    text = "\n".join(_section("Path-specific effect", found.explanation, found.contrasts, found.proof))
    return text, {"path_specific": _record(found.identified, found.contrasts, found.proof, found.explanation)}


def _nodes_of(path: str) -> tuple[str, ...]:
    nodes = tuple(n.strip() for n in path.split("->"))
    if len(nodes) < 2 or "" in nodes:
        raise InvalidSetting(f"The path is {path!r}; a path needs nodes joined by ->.", hint='--path "x -> m -> y"')
    return nodes


def _section(heading: str, verdict: str, contrasts: Sequence[Contrast], proof: Sequence[ProofStep]) -> list[str]:
    lines = [heading, verdict, *(f"- {c.name}: {_written(c)}" for c in contrasts), "", "Why"]
    for i, step in enumerate(proof, 1):
        lines.append(f"{i:3}. {step.words}")
        detail = ": ".join(filter(None, (step.rule, step.symbols)))
        lines += [f"     {detail}"] if detail else []
    return lines


def _record(
    identified: bool, contrasts: Sequence[Contrast], proof: Sequence[ProofStep], explanation: str
) -> dict[str, Any]:
    return {
        "identified": identified,
        "explanation": explanation,
        "contrasts": {c.name: _written(c) for c in contrasts},
        "proof": [{"words": s.words, "rule": s.rule, "symbols": s.symbols} for s in proof],
    }


def _written(contrast: Contrast) -> str:
    from butfor.identify.expression import to_unicode

    return f"{to_unicode(contrast.higher)} − {to_unicode(contrast.lower)}"
