"""Paired differences: what they say of the claims, and all of them drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernelopt.evaluation.multiplicity import holm
from kernelopt.pages import formats, verdicts
from kernelopt.pages.figures import strips
from kernelopt.pages.figures.marks import Look, Scale
from kernelopt.pages.leaders import against_the_leader
from kernelopt.pages.summary import ALPHA, Results
from kernelopt.pages.verdicts import Claim, Comparison


def claims(results: Results) -> list[dict[str, Any]]:
    """Return the claims that the study can speak to, with their verdicts."""
    found = []
    for claim in verdicts.CLAIMS:
        judgements = verdicts.judge(results, claim)
        if judgements:
            lead, rest = verdicts.headline(judgements)
            found.append({"claim": claim, "lead": lead, "rest": rest, "judgements": judgements})
    return found


def claimed(results: Results) -> list[Claim]:
    """Return the claims that a study has the methods for; without any, the comparison with its leader."""
    found = [claim for claim in verdicts.CLAIMS if claim.challenger in results.info and any(_rivals(results, claim))]
    leader = None if found else against_the_leader(results)
    return found if leader is None else [leader]


def compared(results: Results) -> list[tuple[Claim, Comparison, float | None]]:
    """Return all comparisons of the page with their p-values, adjusted by Holm over all of this data set.

    A comparison over a single seed has no part in that, and None.
    """
    found = [
        (claim, comparison)
        for claim in claimed(results)
        for size in results.sizes
        for comparison in verdicts.compare(results, claim, size, claim.rivals + claim.beside)
        if comparison.estimate is not None
    ]
    judged = [k for k, (_, c) in enumerate(found) if c.judged is not None and c.judged.p is not None]
    p_values = [c.judged.p for _, c in (found[k] for k in judged) if c.judged is not None and c.judged.p is not None]
    adjusted = dict(zip(judged, holm(p_values).tolist(), strict=True))
    return [(claim, comparison, adjusted.get(k)) for k, (claim, comparison) in enumerate(found)]


def differences(results: Results, look: Mapping[str, Look]) -> dict[str, Any]:
    """Return one forest plot per claim, all on one scale."""
    metric = results.metric
    found = compared(results)
    ends = [end for _, c, _ in found if c.estimate for end in (c.estimate.low, c.estimate.high)]
    scale = Scale.over([0.0, *ends], pad=0.04, minimum=0.01 if metric.is_fraction else 0.0)
    blocks: dict[str, dict[str, Any]] = {}
    for claim, comparison, adjusted in found:
        estimate = comparison.estimate
        assert estimate is not None
        title = (
            f"{comparison.challenger.label} minus {comparison.rival.label}, "
            f"{formats.count(comparison.size)} training {results.things}: {comparison.text}"
        )
        block = blocks.setdefault(claim.name, {"claim": claim, "groups": {}, "aside": ""})
        judged = comparison.rival.name in claim.rivals
        block["aside"] = block["aside"] or ("" if judged else claim.aside)
        block["groups"].setdefault(comparison.size, []).append(
            {
                "rival": comparison.rival,
                "judged": judged,
                "estimate": estimate,
                "adjusted": adjusted,
                "holds": adjusted is not None and adjusted <= ALPHA,
                "strip": strips.interval_strip(estimate, look[claim.challenger], scale, title),
            }
        )
    axis = strips.strip_axis(scale, [(v, metric.difference_tick(v)) for v in scale.ticks(4)])
    tests = sum(adjusted is not None for _, _, adjusted in found)
    return {"blocks": list(blocks.values()), "axis": axis, "tests": tests}


def _rivals(results: Results, claim: Claim) -> list[str]:
    names = claim.rivals + claim.beside
    return [name for name in names if name in results.info and results.comparable(claim.challenger, name)]
