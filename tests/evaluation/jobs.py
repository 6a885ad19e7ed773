"""Cells run in this process, on data and methods that a test may change."""

from kernelopt.evaluation import entries
from kernelopt.evaluation.cell import Job, run_cell
from kernelopt.evaluation.protocol import Protocol
from kernelopt.evaluation.study import Cell, DataSpec, MethodSpec


def make_job(cell, dataset=None, protocol=None, method=None, **data):
    """Return a cell's job; `dataset` replaces the one of its name."""
    given = {} if dataset is None else {"loader": lambda: dataset}
    spec = DataSpec(cell.dataset, **given, **data)
    shape = (28, 28) if dataset is None else dataset.image_shape
    resolved = entries.resolve(method or MethodSpec(cell.method), spec.values, shape)
    return Job(cell, spec, resolved, protocol or Protocol())


def run_here(cell: Cell, dataset=None, protocol=None, method=None, **data):
    """Return the record of a cell."""
    return run_cell(make_job(cell, dataset, protocol, method, **data))
