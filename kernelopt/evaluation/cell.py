"""One cell, run in this process: choose and train on the training part, then predict, and only then count."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

import kernelopt
from kernelopt.conv.recorder import keeping_networks
from kernelopt.datasets import Dataset
from kernelopt.evaluation import data as reading
from kernelopt.evaluation import evidence, representations
from kernelopt.evaluation.energy import EnergyMeter
from kernelopt.evaluation.entries import read_value
from kernelopt.evaluation.identity import identity
from kernelopt.evaluation.initialisations import restarts
from kernelopt.evaluation.methods import Method
from kernelopt.evaluation.metrics import measure
from kernelopt.evaluation.protocol import Protocol, fitted, transduce
from kernelopt.evaluation.provenance import peak_memory_mb, provenance, reset_peak_memory
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.specs import plain
from kernelopt.evaluation.splits import Split, is_official, make_split, scaling
from kernelopt.evaluation.study import Cell, DataSpec
from kernelopt.kernels.shelf import sharing


class Beside(NamedTuple):
    """What a fit leaves beside the estimator: copies of its network by epoch, and fits from other starts."""

    networks: dict[int, Any]
    restarted: list[Any]


@dataclass(frozen=True)
class Job:
    """A cell with all that is needed to run it anywhere.

    Parameters
    ----------
    cell : Cell
        What to run.
    data : DataSpec
        Its data set.
    method : Method
        Its method.
    protocol : Protocol
        The rules.
    data_home : str, optional
        Folder with data sets that are not packaged.
    digest : str, optional
        Of the data; other data are refused.
    shelf : str, optional
        Folder of the Gram matrices that cells of one split share.
    """

    cell: Cell
    data: DataSpec
    method: Method
    protocol: Protocol
    data_home: str | None = None
    digest: str | None = None
    shelf: str | None = None

    @property
    def blank(self) -> Record:
        """A record that says what the cell is, and nothing of its outcome."""
        cell, method = self.cell, self.method
        return Record(
            cell.dataset,
            cell.method,
            cell.size,
            cell.seed,
            transductive=method.transductive,
            budget=self.protocol.budget,
        )

    def failed(self, error: str, **origin: Any) -> Record:
        """Return the record of a cell that came to nothing."""
        return replace(self.blank, status="failed", error=error, provenance={**provenance(), **origin})


def fingerprint(job: Job, dataset: Dataset) -> str:
    """Return the digest of all that determines a cell's record.

    What is as it was before there was a choice is left out, so that records of that time are found again.
    """
    method, protocol = job.method, job.protocol
    rules: dict[str, Any] = {"validation_size": protocol.validation_size, "threads": protocol.threads}
    official = is_official(dataset, protocol.split)
    grid = {k: identity(list(v), f"grid.{k} of method {method.info.name!r}") for k, v in method.info.grid.items()}
    for item in fields(protocol):
        value = getattr(protocol, item.name)
        if value != item.default and item.name not in (*rules, "split"):
            rules[item.name] = value
    if not official:
        rules |= {"split": "random", "test_size": protocol.test_size}
    content: dict[str, Any] = {
        "cell": asdict(job.cell),
        "data": dataset.sha256,
        "method": [method.version, grid, method.n_folds],
        "protocol": rules,
        "kernelopt": kernelopt.__version__,
    }
    if method.transductive:
        content["transductive"] = True
    if method.identity:
        content["identity"] = method.identity
    handling = {name: getattr(job.data, name) for name in ("scale", "task") if getattr(job.data, name) is not None}
    if job.data.missing != "error":
        handling["missing"] = job.data.missing
    if handling:
        content["handling"] = handling
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def run_cell(job: Job) -> Record:
    """Return the record of a cell; of one that fails, with its error.

    The fit of a transductive method is given the inputs of the test points, after its setting is chosen without them;
    that of any other method is not, and no fit is given their labels.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        dataset = reading.read(job.data, job.data_home)
        if job.digest is not None and dataset.sha256 != job.digest:
            raise ValueError(f"data set {job.data.name!r} is not what it was when the study began: its digest differs")
        with interrupts_stop(), threadpool_limits(job.protocol.threads), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with sharing(job.shelf):
                record, notes = _run(job, dataset)
        if caught:
            notes["warnings"] = sorted({str(warning.message) for warning in caught})
        origin = {"threads": job.protocol.threads, "started": started, "data": dataset.sha256}
        return replace(record, provenance={**provenance(), **origin, **notes})
    except MemoryError as error:
        return job.failed(f"MemoryError: {error}", started=started)
    except Exception as error:
        return job.failed(f"{type(error).__name__}: {error}", started=started, traceback=traceback.format_exc())


def _run(job: Job, dataset: Dataset) -> tuple[Record, dict[str, Any]]:
    cell, method, rules = job.cell, job.method, job.protocol
    split = make_split(dataset, cell.size, cell.seed, rules.split, rules.test_size, rules.stratify)
    scale = scaling(job.data.scale, split.X)
    X, X_test = scale(split.X), scale(split.X_test)
    y, classes = numbered(split.y, dataset.task)
    trained, found, beside = train(job, X, y, X_test if method.transductive else None, dataset)
    begin = time.perf_counter()
    answers = trained.transduction_[len(X) :] if method.transductive else trained.predict(X_test)
    found["cost"]["predict_seconds"] = time.perf_counter() - begin
    predicted = np.asarray(answers)
    if predicted.shape != split.y_test.shape:
        raise ValueError(f"predict returned shape {predicted.shape} for {len(split.y_test)} points")
    outputs, notes = ({}, {}) if method.transductive else evidence.outputs(trained, X_test)
    found["values"] = {name: read_value(trained, what, name) for name, what in method.record.items()}
    found["cost"]["measure_seconds"] = time.perf_counter() - begin - found["cost"]["predict_seconds"]
    gram = evidence.kernel_on(trained, X_test, method.transductive)
    others = [np.asarray(other.predict(X_test)) for other in beside.restarted]
    record = replace(
        job.blank,
        task=dataset.task if dataset.task == "regression" else "classification",
        n_train=len(X),
        n_test=len(X_test),
        split="official" if is_official(dataset, rules.split) else "random",
        n_settings=max(1, len(found["candidates"])),
        **found,
    )
    # Only here, after every choice is made and every prediction is fixed, are test labels looked at.
    record, unmeasured = counted(record, split, predicted, classes, outputs, gram, trained)
    notes |= unmeasured
    if method.transductive:
        record = replace(record, representations=representations.of_gram(gram, split.y_test, record.task))
    else:
        record = shown(record, split, trained, beside.networks, X_test)
    if others:
        scores = [score(answers, split.y_test, classes, record.task) for answers in (predicted, *others)]
        record = replace(record, inits=scores)
    return record, notes


def shown(record: Record, split: Split, trained: Any, networks: dict[int, Any], X_test: np.ndarray) -> Record:
    """Return the record with what the test labels say of the representations, at the end and over the epochs."""
    try:
        of_estimator = representations.of_estimator(trained, X_test, split.y_test, record.task)
        over_epochs = representations.over_epochs(trained, networks, X_test, split.y_test, record.task)
    except MemoryError:
        raise
    except Exception as error:  # the predictions stand without it, and the record says so
        warnings.warn(f"representations were not measured: {type(error).__name__}: {error}", stacklevel=2)
        return record
    return replace(record, representations=of_estimator or None, representation_history=over_epochs)


def score(predicted: np.ndarray, truth: np.ndarray, classes: np.ndarray | None, task: str) -> float:
    """Return the accuracy, or of a regression the RMSE.

    Examples
    --------
    >>> score(np.array([0, 1]), np.array(["a", "a"]), np.array(["a", "b"]), "classification")
    0.5
    """
    if task == "regression":
        return measure("regression", truth, predicted)["rmse"]
    return float(np.mean(answered(predicted, classes) == coded(truth, classes)))


def counted(
    record: Record, split: Split, predicted: np.ndarray, classes: np.ndarray | None, outputs, gram, trained: Any
) -> tuple[Record, dict[str, str]]:
    """Return the record with what the test labels say of the predictions, and why an output was not measured."""
    truth = split.y_test
    notes: dict[str, str] = {}
    metrics: dict[str, float]
    if record.task == "regression":
        metrics = measure("regression", truth, predicted)
        found: dict[str, Any] = {"errors": ((predicted - truth) ** 2).tolist()}
    else:
        codes, given = coded(truth, classes), answered(predicted, classes)
        correct = (given == codes).astype(int)
        found = {"accuracy": float(correct.mean()), "correct": correct.tolist()}
        columns = getattr(trained, "classes_", None)
        columns = None if columns is None else answered(np.asarray(columns), classes)
        if columns is None or not np.isin(codes, columns).all():
            outputs = {}  # a class that did not train has no column
        metrics, notes = evidence.measure_outputs(codes, given, outputs, columns)
    return replace(record, metrics=metrics | evidence.measure_gram(gram, truth, record.task), **found), notes


def answered(predicted: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Return answers as the codes of `numbered`; what is no code is -1, a wrong answer and never another class.

    Examples
    --------
    >>> answered(np.array([1.0, 0.5, -1.0, 2.0, np.nan]), np.array(["a", "b"])).tolist()
    [1, -1, -1, -1, -1]
    """
    if predicted.dtype.kind == "O":
        numbers = [value if isinstance(value, Real | np.bool_) else np.nan for value in predicted]
        predicted = np.array(numbers, dtype=float)
    if predicted.dtype.kind not in "biuf":
        return np.full(predicted.shape, -1)
    is_code = (predicted >= 0) & (predicted < (2**53 if classes is None else len(classes)))
    if predicted.dtype.kind == "f":
        is_code &= predicted == np.floor(predicted)
    return np.where(is_code, predicted, -1).astype(np.int64)


def coded(truth: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Return true labels as the codes of `numbered`; a class that did not train is -2, which no answer is.

    Examples
    --------
    >>> coded(np.array(["b", "c"]), np.array(["a", "b"])).tolist()
    [1, -2]
    """
    if classes is None:
        return np.where(truth >= 0, truth, -2)
    place = np.minimum(np.searchsorted(classes, truth), len(classes) - 1)
    return np.where(classes[place] == truth, place, -2)


def numbered(y: np.ndarray, task: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return labels as whole numbers from 0, and the classes in their order; None where they were such numbers.

    Examples
    --------
    >>> numbered(np.array(["b", "a", "b"]), "classification")
    (array([1, 0, 1]), array(['a', 'b'], dtype='<U1'))
    """
    if task == "regression" or (y.dtype.kind in "iu" and y.min() >= 0):
        return y, None
    classes, codes = np.unique(y, return_inverse=True)
    return codes, classes


def train(
    job: Job, X: np.ndarray, y: np.ndarray, unlabelled: np.ndarray | None, dataset: Dataset
) -> tuple[Any, dict[str, Any], Beside]:
    """Choose and fit a cell's method on its training part; return it with what is to be recorded, and what is beside.

    `unlabelled` are the inputs that a transductive method is to label, None for any other method; they take part in
    the fit, not in the choice.
    """
    cell, method, rules = job.cell, job.method, job.protocol
    shape = tuple(dataset.image_shape or ())
    task = "regression" if dataset.task == "regression" else "classification"

    def make(seed, **setting):
        return method.build(shape, seed, **setting)

    n_folds = method.n_folds if rules.folds is None else rules.folds
    reset_peak_memory()
    meter, begin = EnergyMeter(), time.perf_counter()
    setting, candidates = rules.choose(make, method.info.grid, X, y, cell.seed, n_folds, method.transductive, task)
    middle = time.perf_counter()
    trained = make(cell.seed, **setting)
    with keeping_networks() as networks:
        if method.transductive:
            assert unlabelled is not None
            transduce(trained, X, y, unlabelled)
        else:
            trained = fitted(trained, X, y)
    cost = {"tune_seconds": middle - begin, "fit_seconds": time.perf_counter() - middle}
    memory = peak_memory_mb()
    if memory is not None:
        cost["peak_memory_mb"] = memory
    energy = meter.joules()
    if energy is not None:
        cost["energy_joules"] = energy  # of tuning and fitting
    again = [] if method.transductive else restarts(make, setting, X, y, cell.seed, rules.restarts)
    tried = [{**candidate, "params": plain(candidate["params"])} for candidate in candidates]
    return (
        trained,
        {"chosen": plain(setting), "candidates": tried, "cost": cost, **evidence.of_fit(trained)},
        Beside(networks, again),
    )


@contextmanager
def interrupts_stop() -> Iterator[None]:
    """Let an interrupt end the study, although solvers and networks catch it to keep their best point."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread only
        return
    seen = []

    def note(number, frame):
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        raise KeyboardInterrupt
