"""Sets that the library packages: tables and pairs of digits."""

from benchopt import BaseDataset, safe_import_context  # type: ignore[import-not-found]

with safe_import_context() as import_ctx:
    from experiments.benchmarks.problems import Case


class Dataset(BaseDataset):
    """Real data, with Gaussian kernels on all, single and a few features."""

    name = "packaged"
    parameters = {
        "source, n": [("ionosphere", 351), ("breast_cancer", 569), ("optdigits", 1000), ("mnist_3v8", 900)],
        "menu": ["mixed"],
        "m": [20],
    }
    requirements = ["numpy", "scikit-learn"]

    def get_data(self):
        """Return the stack and the labels."""
        Ks, y = Case(f"{self.source}/{self.menu}", self.n, self.m).computed()
        return {"Ks": Ks, "y": y}
