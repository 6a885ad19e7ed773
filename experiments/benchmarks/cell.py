"""One measurement, in a process of its own: ``python -m experiments.benchmarks.cell '{"name": ...}'``.

A process of its own, because its largest resident memory is read at the end, and because a solver that hangs or dies
takes nothing with it. Prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from experiments.benchmarks.problems import Case
from kernelopt.convex import Hinge, Problem, Solution
from kernelopt.evaluation.provenance import peak_memory_mb, reset_peak_memory

REPEATS = 3  # of everything; the best counts
ENOUGH = 20.0  # processor seconds after which a method is not repeated


@dataclass(frozen=True)
class Cell:
    """What is measured: a method (by its name in `METHODS`) on a case, to a relative gap, within seconds."""

    case: Case
    method: str
    tol: float = 1e-6
    seconds: float = 60.0

    @property
    def key(self) -> tuple[str, ...]:
        """What tells this measurement from others, as a table of text holds it."""
        case = self.case
        return (case.name, str(case.n), str(case.m), f"{case.C:g}", f"{case.p:g}", f"{self.tol:g}", self.method)

    def to_json(self) -> str:
        """Return the cell as text."""
        return json.dumps({"case": vars(self.case), "method": self.method, "tol": self.tol, "seconds": self.seconds})

    @classmethod
    def from_json(cls, text: str) -> Cell:
        """Read a cell."""
        fields = json.loads(text)
        return cls(Case(**fields.pop("case")), **fields)


def best_of(action: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the least processor seconds of some runs."""
    taken = []
    for _ in range(repeats):
        clock = time.process_time()
        action()
        taken.append(time.process_time() - clock)
    return min(taken)


def peak_mib() -> float:
    """Return the largest resident memory of this process, in MiB: since it began, or since the last reset."""
    since_reset = peak_memory_mb()  # Linux only
    return largest_mib() if since_reset is None else since_reset


def largest_mib() -> float:
    """Return the largest resident memory of this process since it began, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def units(problem: Problem) -> tuple[float, float]:
    """Return the seconds of assembling the average kernel, and of one scikit-learn SVC on it."""
    M = problem.kernels.n_kernels
    equal = np.full(M, 1 / M)
    assert isinstance(problem.criterion, Hinge)
    machine = SVC(kernel="precomputed", C=problem.criterion.C)
    K = problem.kernels.mix(equal)
    return best_of(lambda: problem.kernels.mix(equal)), best_of(lambda: machine.fit(K, problem.Y[:, 0]))


def fresh(problem: Problem) -> Problem:
    """Return the same problem with nothing remembered from an earlier solve."""
    return replace(problem, kernels=replace(problem.kernels))  # type: ignore[type-var]  # every provider is a dataclass


def measure(problem: Problem, solver: Any, tol: float, seconds: float = 60.0) -> dict[str, Any]:
    """Solve repeatedly, and return what it took and what was reached, as the columns of a row.

    The memory is read around the first solve, before anything else could raise it. The unit is measured before and
    after the repetitions, so that both have seen the same machine.
    """
    row: dict[str, Any] = {"stack_mib": round(getattr(problem.kernels, "Ks", np.empty(0)).nbytes / 2**20, 1)}
    reset_peak_memory()
    before = peak_mib()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clock = time.process_time()
        solution = solver.solve(fresh(problem))
        taken = [time.process_time() - clock]
    row |= {"peak_mib": round(largest_mib(), 1), "extra_mib": round(peak_mib() - before, 1)}
    unit = units(problem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while len(taken) < REPEATS and sum(taken) < min(ENOUGH, seconds):
            clock = time.process_time()
            solver.solve(fresh(problem))
            taken.append(time.process_time() - clock)
    assembly, svc = map(min, zip(unit, units(problem), strict=True))
    cpu = min(taken)
    row |= {"cpu_s": cpu, "rounds": taken, "svc_s": svc, "assembly_s": assembly}
    row |= {"per_svc": cpu / svc, "per_assembly_svc": cpu / (assembly + svc)}
    early = next((str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)), "")
    return row | reached(problem, solution, tol, early)


def reached(problem: Problem, solution: Solution | None, tol: float, early: str = "") -> dict[str, Any]:
    """Return what a solution is worth, by a certificate made here; `early` is the solver's own excuse."""
    if solution is None:
        return {"status": "solves another problem"}
    certificate = problem.certify(solution)
    passes = solution.history[-1].get("passes") if solution.history else None
    if not certificate.holds(tol):
        status = f"gap above tol{': ' + early if early else ''}"
    else:
        status = "ok"
    return {
        "status": status,
        "gap": certificate.gap,
        "infeasibility": certificate.infeasibility,
        "primal": certificate.primal,
        "dual": certificate.dual,
        "iterations": solution.n_iter,
        "passes": passes,
        "kernels": int(np.sum(solution.theta > 1e-6 * np.max(solution.theta))),
    }


def main(text: str) -> None:
    """Measure a cell and print its row; an exception becomes a row that names it."""
    from experiments.benchmarks.methods import BY_NAME

    cell = Cell.from_json(text)
    try:
        solver = BY_NAME[cell.method].make(cell.tol, cell.seconds)
        with threadpool_limits(1):
            row = measure(cell.case.problem(), solver, cell.tol, cell.seconds)
    except Exception as error:  # whatever it is: it is this cell's result
        traceback.print_exc()
        refused = isinstance(error, NotImplementedError)
        row = {"status": f"{'refused' if refused else 'failed'}: {type(error).__name__}: {error}"}
    print("\n" + json.dumps(row))


if __name__ == "__main__":
    main(sys.argv[1])
