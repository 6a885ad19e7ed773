"""Criteria: what makes a kernel good."""

from kernelopt.convex.criteria.base import Criterion
from kernelopt.convex.criteria.margin import Hinge

__all__ = ["Criterion", "Hinge"]
