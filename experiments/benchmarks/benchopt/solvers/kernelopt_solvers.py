"""The library's own solvers."""

from benchopt import BaseSolver, safe_import_context  # type: ignore[import-not-found]

with safe_import_context() as import_ctx:
    from experiments.benchmarks.methods import BY_NAME


class Solver(BaseSolver):
    """A solver of kernelopt, stopped at the relative gap that benchopt asks for."""

    name = "kernelopt"
    parameters = {"method": ["WorkingSetNewton", "InteriorPoint"]}
    requirements = ["numpy", "scipy", "scikit-learn", "cvxpy"]
    sampling_strategy = "tolerance"

    def set_objective(self, problem):
        """Keep the problem."""
        self.problem = problem

    def run(self, tolerance):
        """Solve to a gap."""
        self.solution = BY_NAME[self.method].make(min(max(tolerance, 1e-8), 0.1), None).solve(self.problem)

    def get_result(self):
        """Return what the certificate is made of."""
        s = self.solution
        return {"theta": s.theta, "beta": s.beta, "intercept": s.intercept, "a": s.a}
