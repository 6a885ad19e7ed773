"""Two classes in ten features with 8 % wrong labels."""

from benchopt import BaseDataset, safe_import_context  # type: ignore[import-not-found]

with safe_import_context() as import_ctx:
    from experiments.benchmarks.problems import Case


class Dataset(BaseDataset):
    """Growth in samples and in kernels."""

    name = "synthetic"
    parameters = {"menu": ["mixed"], "n, m": [(200, 20), (400, 20), (1000, 20), (400, 100)]}
    requirements = ["numpy", "scikit-learn"]

    def get_data(self):
        """Return the stack and the labels."""
        Ks, y = Case(f"synthetic/{self.menu}", self.n, self.m).computed()
        return {"Ks": Ks, "y": y}
