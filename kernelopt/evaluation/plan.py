"""From a study to its jobs: data read and checked, methods resolved, every cell with its fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kernelopt.datasets import Dataset
from kernelopt.evaluation import data as reading
from kernelopt.evaluation import entries
from kernelopt.evaluation.cell import Job, fingerprint
from kernelopt.evaluation.methods import Method
from kernelopt.evaluation.splits import n_training
from kernelopt.evaluation.study import Cell, Study


@dataclass(frozen=True)
class Plan:
    """What there is to do: jobs and fingerprints of all cells, in the study's order.

    Parameters
    ----------
    jobs : mapping of Cell to Job
        What to run.
    keys : mapping of Cell to str
        Their fingerprints.
    """

    jobs: Mapping[Cell, Job]
    keys: Mapping[Cell, str]

    @property
    def methods(self) -> list[Method]:
        """The methods, once each, in order."""
        return list({job.method.info.name: job.method for job in self.jobs.values()}.values())


def make_plan(study: Study, data_home: str | None = None) -> Plan:
    """Return the plan of a study, after everything is refused that cannot work.

    Raises
    ------
    ValueError
        Data or methods that do not exist or do not go together, sizes larger than the data, grids larger than the
        budget.
    """
    data = {spec.name: reading.read(spec, data_home) for spec in study.data}
    rules = study.protocol
    whole = {name: n_training(dataset, rules.split, rules.test_size) for name, dataset in data.items()}
    methods: dict[tuple[str, str], Method] = {}
    for spec in study.data:
        dataset = data[spec.name]
        check_sizes(dataset, spec.sizes or study.sizes, whole[spec.name])
        values = {**spec.values, "threads": rules.threads}
        for method_spec in study.methods:
            task = "regression" if dataset.task == "regression" else "classification"
            method = entries.resolve(method_spec, values, dataset.image_shape, task)
            sizes = spec.sizes or study.sizes or (whole[spec.name],)
            check_method(method, dataset, max(sizes), max(sizes) + _n_test(dataset, whole[spec.name]), min(sizes))
            rules.settings(method.info.grid, seed=0)
            methods[spec.name, method_spec.name] = method
    specs = {spec.name: spec for spec in study.data}
    jobs = {
        cell: Job(
            cell,
            specs[cell.dataset],
            methods[cell.dataset, cell.method],
            rules,
            data_home,
            data[cell.dataset].sha256,
        )
        for cell in study.cells(whole)
    }
    return Plan(jobs, {cell: fingerprint(job, data[cell.dataset]) for cell, job in jobs.items()})


def _n_test(dataset: Dataset, whole: int) -> int:
    if dataset.X_test is not None and whole == len(dataset.X):
        return len(dataset.X_test)
    return len(dataset.X) - whole


def check_sizes(dataset: Dataset, sizes: tuple[int, ...], whole: int) -> None:
    """Refuse sizes larger than the training part, or too small for the classes."""
    points = "images" if dataset.image_shape else "points"
    if sizes and max(sizes) > whole:
        raise ValueError(f"size {max(sizes)} exceeds the {whole} training {points} of {dataset.name!r}")
    if dataset.task == "regression":
        return
    classes = len(np.unique(dataset.y))
    smallest = 4 * classes
    if classes < 2:
        raise ValueError(f"data set {dataset.name!r} has one class only; there is nothing to tell apart")
    if sizes and min(sizes) < smallest:
        raise ValueError(f"size {min(sizes)} is too small for {classes} classes; use at least {smallest}")


def check_method(method: Method, dataset: Dataset, largest: int, points: int, smallest: int) -> None:
    """Refuse a method that cannot do a data set, or not as many points."""
    name = method.info.name
    grey = dataset.image_shape is not None and len(dataset.image_shape) == 2
    if method.images and not grey:
        raise ValueError(
            f"data set {dataset.name!r} cannot be contrasted by method {name!r}: grey images are needed (for example "
            f"fashion-mnist-small, mnist-small, mnist, fashion-mnist, usps)"
        )
    task = "regression" if dataset.task == "regression" else "classification"
    if task not in method.tasks:
        raise ValueError(f"method {name!r} does {', '.join(method.tasks)}, but {dataset.name!r} is a {task}")
    if method.transductive and task == "regression":
        raise ValueError(f"method {name!r} is transductive, which marks points by the label -1: classification only")
    if method.max_points is None or points <= method.max_points:
        return
    tests = points - largest
    room = method.max_points - tests
    what = "images" if dataset.image_shape else "points"
    advice = f"Use sizes up to {room}" if room >= smallest else f"Use data with fewer test {what}"
    raise ValueError(
        f"method {name!r} is fitted on training and test {what} together and can do at most {method.max_points}, but "
        f"size {largest} and the {tests} test {what} of {dataset.name!r} make {points}. {advice}, or leave the method "
        f"out"
    )
