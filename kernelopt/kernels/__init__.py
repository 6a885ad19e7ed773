"""Kernels, families of kernels, and stacks of Gram matrices.

Base kernels are callables ``k(X, Z)``; scikit-learn's pairwise kernels (by name), its
Gaussian-process kernel objects and any user callable are accepted beside them.
"""

from kernelopt.kernels.base import Gaussian, Linear, OnColumns, Polynomial, as_kernel, kernel_name
from kernelopt.kernels.families import (
    FAMILIES,
    gaussian,
    image_patches,
    mixed,
    per_feature,
    per_group,
    polynomial,
    scale_gamma,
)
from kernelopt.kernels.normalize import Normalization, spherical
from kernelopt.kernels.stack import KernelStack, as_stack
from kernelopt.kernels.validation import check_gram

__all__ = [
    "FAMILIES",
    "Gaussian",
    "KernelStack",
    "Linear",
    "Normalization",
    "OnColumns",
    "Polynomial",
    "as_kernel",
    "as_stack",
    "check_gram",
    "gaussian",
    "image_patches",
    "kernel_name",
    "mixed",
    "per_feature",
    "per_group",
    "polynomial",
    "scale_gamma",
    "spherical",
]
