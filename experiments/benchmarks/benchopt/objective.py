"""The objective: a kernel learned with the hinge, judged by the library's certificate."""

from benchopt import BaseObjective, safe_import_context  # type: ignore[import-not-found]

with safe_import_context() as import_ctx:
    import numpy as np

    from kernelopt.convex import Certificate, Hinge, LpBall, Problem, Simplex, Solution
    from kernelopt.kernels.rows import StoredKernels


class Objective(BaseObjective):
    """Hinge over the simplex (p = 1) or an lp ball."""

    name = "learned kernel"
    parameters = {"C": [1.0, 10.0], "p": [1.0]}
    requirements = ["numpy", "scipy", "scikit-learn", "cvxpy"]
    min_benchopt_version = "1.6"
    sampling_strategy = "tolerance"
    test_config = {"dataset": {"n": 40, "m": 4}}

    def set_data(self, Ks, y):
        """Take a stack (M, n, n) of Gram matrices and labels -1 and 1; each kernel is divided by its mean diagonal."""
        scale = np.einsum("kii->k", Ks) / Ks.shape[1]
        kernel_set = Simplex() if self.p == 1 else LpBall(self.p)
        kernels = StoredKernels.of(Ks, scale)
        self.problem = Problem(kernels, y[:, None], Hinge(self.C), kernel_set, np.ones(len(y)))

    def evaluate_result(self, theta, beta, intercept, a):
        """Certify weights, decision function and dual point, whoever made them."""
        blank = Certificate(np.inf, -np.inf, np.inf, self.problem.scale)
        certificate = self.problem.certify(Solution(theta, beta, intercept, a, blank))
        return {
            "value": certificate.primal,
            "dual": certificate.dual,
            "gap": certificate.gap,
            "infeasibility": certificate.infeasibility,
            "kernels": int(np.count_nonzero(theta > 1e-6 * theta.max())),
        }

    def get_one_result(self):
        """Return the zero function."""
        shape = self.problem.Y.shape
        theta = self.problem.kernel_set.start(self.problem.kernels)
        return {"theta": theta, "beta": np.zeros(shape), "intercept": np.zeros(shape[1]), "a": np.zeros(shape)}

    def get_objective(self):
        """Return what a solver is given: the problem."""
        return {"problem": self.problem}
