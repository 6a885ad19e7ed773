"""The methods that are measured: one list. To add one, add a line."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from experiments.benchmarks import baselines, cone_program, peers
from kernelopt.convex.solvers import Conic, InteriorPoint, WorkingSetNewton


@dataclass(frozen=True)
class Method:
    """A way to solve a problem.

    Parameters
    ----------
    name, kind : str
        What the table calls it; "ours", "cvxpy", "baseline" or "peer".
    make : callable
        Returns an object with ``solve(problem)`` from a relative gap and a limit in seconds (or None).
    requires : tuple of str
        Modules that must be installed; without them its rows say so.
    entries : float
        It is not tried on stacks of more entries (m n²) than this.
    """

    name: str
    kind: str
    make: Callable[[float, float | None], Any]
    requires: tuple[str, ...] = ()
    entries: float = float("inf")

    @property
    def missing(self) -> str:
        """The modules that are not installed, as text."""
        return ", ".join(module for module in self.requires if importlib.util.find_spec(module) is None)


def _stopping(solver: Callable[..., Any], **options: Any) -> Callable[[float, float | None], Any]:
    return lambda tol, seconds: solver(tol=tol, time_limit=seconds, **options)


METHODS = [
    Method("WorkingSetNewton", "ours", _stopping(WorkingSetNewton)),
    Method("InteriorPoint", "ours", _stopping(InteriorPoint)),
    Method("Conic", "ours", lambda tol, seconds: Conic(time_limit=seconds), entries=4e6),
    *[
        Method(f"cvxpy {name}", "cvxpy", _stopping(partial(cone_program.ConeProgram, name)), (module,), 2e7)
        for name, module in cone_program.SOLVERS.items()
    ],
    Method("SILP", "baseline", _stopping(baselines.SILP)),
    Method("level method", "baseline", _stopping(baselines.Level)),
    Method("SimpleMKL", "baseline", _stopping(baselines.SimpleMKL)),
    Method("FISTA", "baseline", _stopping(baselines.FISTA)),
    Method("closed form", "baseline", _stopping(baselines.ClosedForm)),
    Method("MKLpy AverageMKL", "peer", lambda tol, seconds: peers.MKLpy("AverageMKL"), ("MKLpy",)),
    Method("MKLpy EasyMKL", "peer", lambda tol, seconds: peers.MKLpy("EasyMKL"), ("MKLpy",)),
    Method("himalaya", "peer", lambda tol, seconds: peers.Himalaya(), ("himalaya",)),
]
BY_NAME = {method.name: method for method in METHODS}
