"""The other metrics: probabilities, ranking and calibration of a classification, or the errors of a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from kernelopt.evaluation.resampling import corrected_resampled_interval
from kernelopt.evaluation.statistics import Estimate, t_interval
from kernelopt.pages import formats
from kernelopt.pages.summary import LEVEL, Results, finite

SHOWN = {  # name: heading, and which end is better
    "log_loss": ("Log-loss", "smaller is better"),
    "ece": ("Calibration error", "smaller is better; 0 means that answers given with p% are right p% of the time"),
    "brier": ("Brier score", "smaller is better; between 0 and 2"),
    "roc_auc": ("Area under the ROC curve", "larger is better; one class against the rest where there are several"),
    "mae": ("Mean absolute error", "smaller is better"),
    "r2": ("Coefficient of determination R²", "larger is better; 0 is what the mean of the targets has"),
}


def estimate_of(results: Results, method: str, size: int, name: str) -> Estimate | None:
    """Return a metric's mean over seeds with its interval; that of one seed is the value itself.

    The interval allows for other seeds; where they share the test points, not for other test points.
    """
    values = np.array(finite(record.metrics.get(name) for record in results.cells(method, size)))
    if not len(values):
        return None
    mean = float(values.mean())
    if len(values) == 1:
        return Estimate(mean, mean, mean, 1)
    if results.crossed:
        return t_interval(mean, float(values.var(ddof=1)) / len(values), len(values) - 1, len(values), LEVEL)
    return corrected_resampled_interval(values, size, max(1, results.images), LEVEL)


def metrics(results: Results) -> list[dict[str, Any]]:
    """Return one table per metric that a record holds."""
    blocks = []
    for name, (heading, note) in SHOWN.items():
        found = {(m.name, s): estimate_of(results, m.name, s, name) for m in results.methods for s in results.sizes}
        if not any(found.values()):
            continue
        rows = [
            (method, [_text(found[method.name, size]) for size in results.sizes])
            for method in results.methods
            if any(found[method.name, size] for size in results.sizes)
        ]
        blocks.append({"name": name, "heading": heading, "note": note, "rows": rows})
    return blocks


def _text(estimate: Estimate | None) -> tuple[str, str] | None:
    if estimate is None:
        return None
    low, high = formats.significant(estimate.low, 3), formats.significant(estimate.high, 3)
    return formats.significant(estimate.mean, 3), f"[{low},{formats.SPACE}{high}]" if estimate.n > 1 else "one seed"
