"""Published algorithms as they were published, over scikit-learn's SVC: what the library is measured against."""

from experiments.benchmarks.baselines.closed_form import ClosedForm
from experiments.benchmarks.baselines.fista import FISTA
from experiments.benchmarks.baselines.level import Level
from experiments.benchmarks.baselines.silp import SILP
from experiments.benchmarks.baselines.simple_mkl import SimpleMKL

__all__ = ["FISTA", "SILP", "ClosedForm", "Level", "SimpleMKL"]
