"""Families of kernels with continuous parameters, and where the quadratic forms of their members are largest."""

from kernelopt.kernels.continuous.ard import ARDFamily
from kernelopt.kernels.continuous.base import Atom, Family, Maximum
from kernelopt.kernels.continuous.listed import ListFamily
from kernelopt.kernels.continuous.other import CustomFamily, PolynomialFamily, TrigonometricFamily
from kernelopt.kernels.continuous.provider import FamilyKernels
from kernelopt.kernels.continuous.radial import GaussianFamily, MaternFamily
from kernelopt.kernels.continuous.union import UnionFamily

__all__ = [
    "ARDFamily",
    "Atom",
    "CustomFamily",
    "Family",
    "FamilyKernels",
    "GaussianFamily",
    "ListFamily",
    "MaternFamily",
    "Maximum",
    "PolynomialFamily",
    "TrigonometricFamily",
    "UnionFamily",
]
