"""Papers' tables, run again: one config per paper, a verdict for each published figure."""

from kernelopt.evaluation.reproduction.comparison import VERDICTS, Comparison, Remark, compare
from kernelopt.evaluation.reproduction.config import Reproduction, Table, names
from kernelopt.evaluation.reproduction.published import Published
from kernelopt.evaluation.reproduction.quantities import Quantity, Tolerance
from kernelopt.evaluation.reproduction.run import Result, reproduce

__all__ = [
    "VERDICTS",
    "Comparison",
    "Published",
    "Quantity",
    "Remark",
    "Reproduction",
    "Result",
    "Table",
    "Tolerance",
    "compare",
    "names",
    "reproduce",
]
