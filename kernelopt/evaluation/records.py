"""One record per finished cell of a study: what was run, what came out, what it cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Record:
    """The outcome of one cell (data set, method, size, seed) of a study.

    Parameters
    ----------
    dataset, method : str
        Names of the data set and of the method.
    size, seed : int
        Number of training samples; seed of the split and of the method.
    status : {"ok", "failed"}
        A failed cell carries its `error`, whether it is transductive, and nothing else.
    accuracy : float
        Fraction of the test points classified correctly; NaN for a regression.
    correct : list of int
        0 or 1 per test point, in the test set's order (the same for every cell of a data set and seed, and of every
        seed where the test part is official), so that methods are compared point by point.
    chosen : dict
        The hyper-parameters chosen on the training part.
    candidates : list of dict
        Every setting tried, ``{"params": ..., "score": ...}``, with its validation accuracy or minus its mean squared
        error; one that failed has None and an ``error``. Empty where there was nothing to choose.
    weights : dict of str to float, or None
        Kernel name to weight, for methods that combine kernels; the weights add up to one, and are of either sign
        where the kernel comes from the semidefinite cone.
    certificate : dict or None
        ``primal, dual, gap, infeasibility, problem``: how far a convex optimum was proven.
    gradient_norm : float or None
        Norm of the training loss's gradient where a network stopped, relative to where it began.
    history : dict of str to list, or None
        A network's training curves: ``epoch, loss, accuracy, gradient_norm, filter_move``.
    filters : dict or None
        First-layer filters, ``{"shape": [F, h, w], "epochs": [...], "values": [[...flat...], ...]}``.
    cost : dict of str to float
        ``fit_seconds, tune_seconds, predict_seconds, peak_memory_mb``, and where it can be read ``energy_joules`` of
        tuning and fitting, of the whole machine (see `kernelopt.evaluation.energy`).
    provenance : dict
        Versions, threads, machine, commit, start time, data hash.
    transductive : bool
        Whether the inputs (never the labels) of the test images were given to the fit. Such a record is not compared
        with one whose method had to do without them. Records stored before there was this field are not.
    task : {"classification", "regression"}
        What was predicted.
    metrics : dict of str to float
        Test metrics, as `kernelopt.evaluation.metrics.measure` makes them.
    errors : list of float
        Of a regression, the squared error of each test point, in the order of `correct`.
    values : dict of str to float
        Numbers that the study asked the fitted estimator for (`MethodSpec.record`).
    n_train, n_test : int
        Points that trained and points that were predicted; 0 where not recorded.
    split : str
        Where the test points come from: "official" or "random".
    n_settings : int
        Settings that were tried; 0 where not recorded.
    budget : int or None
        The most that could be tried, by the study's rules.

    representations : dict of str to dict, or None
        Alignment and effective rank of every kernel and layer on test points, see
        `kernelopt.evaluation.representations.of_estimator`.
    representation_history : dict or None
        The same of a network's layers over its epochs, see `kernelopt.evaluation.representations.over_epochs`.
    inits : list of float
        Accuracy (or RMSE) of this fit, then of fits from other starts on the same training set; empty where there were
        none.

    Records stored before there was one of the last twelve fields have its default.
    """

    dataset: str
    method: str
    size: int
    seed: int
    status: Literal["ok", "failed"] = "ok"
    error: str | None = None
    accuracy: float = float("nan")
    correct: list[int] = field(default_factory=list)
    chosen: dict[str, Any] = field(default_factory=dict)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[str, float] | None = None
    certificate: dict[str, Any] | None = None
    gradient_norm: float | None = None
    history: dict[str, list[float]] | None = None
    filters: dict[str, Any] | None = None
    cost: dict[str, float] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    transductive: bool = False
    task: Literal["classification", "regression"] = "classification"
    metrics: dict[str, float] = field(default_factory=dict)
    errors: list[float] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    n_train: int = 0
    n_test: int = 0
    split: str = "official"
    n_settings: int = 0
    budget: int | None = None
    representations: dict[str, dict[str, float]] | None = None
    representation_history: dict[str, Any] | None = None
    inits: list[float] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What identifies the cell within its study."""
        return self.dataset, self.method, self.size, self.seed

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Record:
        """Return the record that `to_dict` described."""
        accuracy = values.get("accuracy")
        return cls(**{**values, "accuracy": float("nan") if accuracy is None else accuracy})
