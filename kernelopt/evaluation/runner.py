"""Running a study: cells in worker processes, each finished one stored before the next is counted."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import kernelopt
from kernelopt.conv.recorder import thinned
from kernelopt.datasets import Dataset, load
from kernelopt.evaluation import methods
from kernelopt.evaluation.protocol import Protocol, nested_order, transduce
from kernelopt.evaluation.provenance import peak_memory_mb, provenance, reset_peak_memory
from kernelopt.evaluation.records import Record
from kernelopt.evaluation.store import Store
from kernelopt.evaluation.study import Cell, Study


def run(
    study: Study,
    store: Store,
    *,
    protocol: Protocol | None = None,
    data_home: str | None = None,
    n_jobs: int = 2,
    progress: Callable[[str], None] | None = None,
) -> list[Record]:
    """Run the cells a store does not hold yet; return the records of all, in the study's order.

    A killed run loses no finished cell: run it again and it goes on. Failed cells are recorded with
    their error, do not stop the others, and are tried again by the next run. Cells go through joblib, so
    ``joblib.parallel_config`` chooses another backend.

    Parameters
    ----------
    study : Study
        What to run.
    store : Store
        Where records are kept.
    protocol : Protocol, optional
        The rules.
    data_home : path, optional
        Folder with data sets that are not packaged.
    n_jobs : int
        Worker processes; each uses the protocol's number of threads.
    progress : callable, optional
        Gets one line per finished cell; standard error, unless given.
    """
    protocol = Protocol() if protocol is None else protocol
    say = progress or (lambda line: print(line, file=sys.stderr, flush=True))
    methods.find(study.methods)
    data = {name: load(name, data_home=data_home) for name in study.datasets}
    for dataset in data.values():
        check_fits(dataset, study)
    cells = study.cells()
    keys = {cell: fingerprint(cell, data[cell.dataset], protocol) for cell in cells}
    done = {cell: record for cell in cells if (record := store.get(keys[cell])) and record.status == "ok"}
    todo = [cell for cell in cells if cell not in done]
    say(f"{len(cells)} cells: {len(done)} finished before, {len(todo)} to run in {n_jobs} process(es)")
    clock = Remaining(todo, n_jobs)
    tasks = (delayed(_work)(os.getpid(), cell, data_home, protocol) for cell in todo)
    outcomes: Iterable[tuple[Cell, Record]] = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)
    for cell, record in outcomes:
        store.put(keys[cell], record)
        done[cell] = record
        result = f"accuracy {record.accuracy:.3f}" if record.status == "ok" else f"FAILED: {record.error}"
        say(f"[{len(done)}/{len(cells)}] {cell.label}: {result}   {clock.after(cell, record)}")
    return [done[cell] for cell in cells]


def _work(parent: int, *task) -> tuple[Cell, Record]:
    """Run a cell; in a local worker process, end when the parent is killed, be it before the first cell."""
    local = multiprocessing.current_process().name.startswith("Loky")
    if local and "kernelopt-watch" not in (thread.name for thread in threading.enumerate()):
        threading.Thread(target=_exit_without, args=(parent,), name="kernelopt-watch", daemon=True).start()
    return run_cell(*task)


def _exit_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def fingerprint(cell: Cell, dataset: Dataset, protocol: Protocol) -> str:
    """Return the digest of all that determines a cell's record."""
    method = methods.BY_NAME[cell.method]
    content: dict[str, Any] = {
        "cell": asdict(cell),
        "data": dataset.sha256,
        "method": [method.version, {name: list(values) for name, values in method.info.grid.items()}, method.n_folds],
        "protocol": asdict(protocol),
        "kernelopt": kernelopt.__version__,
    }
    if method.transductive:  # only then, so that records of before there was the word are found again
        content["transductive"] = True
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_fits(dataset: Dataset, study: Study) -> None:
    """Refuse data that the contrast cannot use, and sizes larger than the data or than a method can do."""
    if dataset.X_test is None or dataset.image_shape is None or len(dataset.image_shape) != 2:
        raise ValueError(
            f"data set {dataset.name!r} cannot be contrasted: grey images with an official test part are needed "
            f"(for example fashion-mnist-small, mnist-small, mnist, fashion-mnist, usps)"
        )
    if max(study.sizes) > len(dataset.X):
        raise ValueError(f"size {max(study.sizes)} exceeds the {len(dataset.X)} training images of {dataset.name!r}")
    classes = len(np.unique(dataset.y))
    smallest = 4 * classes
    if min(study.sizes) < smallest:
        raise ValueError(f"size {min(study.sizes)} is too small for {classes} classes; use at least {smallest}")
    largest, images = max(study.sizes), len(dataset.X_test)
    for method in methods.find(study.methods):
        if method.max_points is not None and largest + images > method.max_points:
            room = method.max_points - images
            advice = f"Use sizes up to {room}" if room >= smallest else "Use data with fewer test images"
            raise ValueError(
                f"method {method.info.name!r} is fitted on training and test images together and can do at most "
                f"{method.max_points}, but size {largest} and the {images} test images of {dataset.name!r} make "
                f"{largest + images}. {advice}, or leave the method out"
            )


def run_cell(cell: Cell, data_home: str | None, protocol: Protocol) -> tuple[Cell, Record]:
    """Run one cell in this process: choose and train on the training part, then predict, then count.

    The fit of a transductive method is given the inputs of the test images, after its setting is chosen without them;
    that of any other method is not, and no fit is given their labels.
    """
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    transductive = methods.BY_NAME[cell.method].transductive
    record = Record(cell.dataset, cell.method, cell.size, cell.seed, transductive=transductive)
    try:
        dataset = load(cell.dataset, data_home=data_home)
        assert dataset.X_test is not None and dataset.y_test is not None
        with interrupts_stop(), threadpool_limits(protocol.threads), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            order = nested_order(dataset.y, cell.seed)[: cell.size]
            X, y, unlabelled = rows(dataset.X[order]), dataset.y[order], rows(dataset.X_test) if transductive else None
            trained, partial = train(cell, X, y, dataset.image_shape, protocol, unlabelled)
            begin = time.perf_counter()
            predicted = trained.transduction_[len(X) :] if transductive else trained.predict(rows(dataset.X_test))
            partial["cost"]["predict_seconds"] = time.perf_counter() - begin
        # Only here, after every choice is made and every prediction is fixed, are test labels looked at.
        correct = (predicted == dataset.y_test).astype(int)
        record = replace(record, **partial, accuracy=float(correct.mean()), correct=correct.tolist())
        notes = {"warnings": sorted({str(warning.message) for warning in caught})} if caught else {}
        origin = {
            **provenance(),
            "threads": protocol.threads,
            "started": started,
            "data": dataset.sha256,
            **notes,
        }
        return cell, replace(record, provenance=origin)
    except Exception as error:
        message = f"{type(error).__name__}: {error}"
        origin = {**provenance(), "started": started, "traceback": traceback.format_exc()}
        return cell, replace(record, status="failed", error=message, provenance=origin)


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


def train(
    cell: Cell,
    X: np.ndarray,
    y: np.ndarray,
    image_shape: Sequence[int] | None,
    protocol: Protocol,
    unlabelled: np.ndarray | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Choose and fit a cell's method on its training part; return it with what is to be recorded.

    `unlabelled` are the inputs that a transductive method is to label, None for any other method; they take part in
    the fit, not in the choice.
    """
    method = methods.BY_NAME[cell.method]

    def make(seed, **setting):
        return method.build(tuple(image_shape or ()), seed, **setting)

    reset_peak_memory()
    begin = time.perf_counter()
    setting, candidates = protocol.choose(make, method.info.grid, X, y, cell.seed, method.n_folds, method.transductive)
    middle = time.perf_counter()
    trained = make(cell.seed, **setting)
    if method.transductive:
        assert unlabelled is not None
        transduce(trained, X, y, unlabelled)
    else:
        trained = trained.fit(X, y)
    cost = {"tune_seconds": middle - begin, "fit_seconds": time.perf_counter() - middle}
    memory = peak_memory_mb()
    if memory is not None:
        cost["peak_memory_mb"] = memory
    return trained, {"chosen": setting, "candidates": candidates, "cost": cost, **evidence(trained)}


def evidence(trained: Any) -> dict[str, Any]:
    """Return what a fitted estimator can show: weights, certificate, training curves, filters."""
    found: dict[str, Any] = {}
    if hasattr(trained, "weights_"):
        weights = zip(trained.kernel_names_, trained.weights_, strict=True)
        found["weights"] = {name: float(weight) for name, weight in weights}
    certificate = getattr(trained, "certificate_", None)
    if certificate is not None:
        found["certificate"] = {**asdict(certificate), "gap": certificate.gap}
    if hasattr(trained, "gradient_norm_"):
        found["gradient_norm"] = float(trained.gradient_norm_)
        found["history"] = {name: [float(x) for x in values] for name, values in trained.history_.items()}
        epochs = thinned(trained.n_iter_) if trained.n_iter_ else [0]
        snapshots = np.asarray(trained.filter_snapshots_)[epochs][:, :, 0]
        found["filters"] = {
            "shape": list(snapshots.shape[1:]),
            "epochs": epochs,
            "values": snapshots.reshape(len(snapshots), -1).astype(float).round(4).tolist(),
        }
    return found


def rows(images: np.ndarray) -> np.ndarray:
    """Return images as flattened float rows; bytes become numbers between 0 and 1."""
    scale = 255.0 if images.dtype == np.uint8 else 1.0
    return images.reshape(len(images), -1) / scale


class Remaining:
    """Remaining time, from what finished cells of the same method and size took.

    A cell without a finished twin is guessed from the method's nearest size, growing like the size to the
    power 3/4 (networks take a least number of steps, kernels grow faster), or from all finished cells.
    """

    def __init__(self, todo: Sequence[Cell], n_jobs: int):
        self.todo, self.n_jobs = list(todo), max(1, n_jobs)
        self.taken: dict[tuple[str, int], list[float]] = {}

    def after(self, cell: Cell, record: Record) -> str:
        """Count a finished cell; return what is left as text."""
        self.todo.remove(cell)
        spent = sum(record.cost.get(name, 0.0) for name in ("tune_seconds", "fit_seconds", "predict_seconds"))
        self.taken.setdefault((cell.method, cell.size), []).append(spent)
        seconds = sum(self._guess(left) for left in self.todo) / self.n_jobs
        return f"about {seconds / 60:.0f} min left" if seconds > 90 else f"about {seconds:.0f} s left"

    def _guess(self, cell: Cell) -> float:
        sizes = [size for method, size in self.taken if method == cell.method]
        if sizes:
            nearest = min(sizes, key=lambda size: abs(np.log(size / cell.size)))
            return float(np.mean(self.taken[cell.method, nearest])) * (cell.size / nearest) ** 0.75
        rates = [np.mean(times) / size**0.75 for (_, size), times in self.taken.items()]
        return float(np.mean(rates)) * cell.size**0.75
