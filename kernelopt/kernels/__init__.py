"""Kernels, families of kernels, and stacks of Gram matrices.

Base kernels are callables ``k(X, Z)``; scikit-learn's pairwise kernels (by name), its
Gaussian-process kernel objects and any user callable are accepted beside them.
"""

from kernelopt.kernels.algebra import Constant, Kernel, Power, Product, Scaled, Sum
from kernelopt.kernels.base import Gaussian, Linear, Polynomial, White, white
from kernelopt.kernels.columns import Named, OnColumns, column_indices
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
from kernelopt.kernels.hyper import Hyperkernel
from kernelopt.kernels.hyper_densities import GaussianHyperkernel, TranslationInvariant, WishartHyperkernel
from kernelopt.kernels.hyper_lowrank import HyperPivots, Slice, hyper_pivots
from kernelopt.kernels.hyper_series import ARDHarmonic, ExplicitHyperkernel, GaussianHarmonic, Harmonic, PowerSeries
from kernelopt.kernels.interface import (
    GaussianProcessKernel,
    as_kernel,
    has_white,
    is_proven_psd,
    kernel_diag,
    kernel_name,
)
from kernelopt.kernels.lowrank import LowRankKernels
from kernelopt.kernels.normalize import Normalization
from kernelopt.kernels.resolve import resolve
from kernelopt.kernels.spans import eigenvector_kernels
from kernelopt.kernels.stack import KernelStack, as_stack
from kernelopt.kernels.tessellated import TessellatedKernels, Tessellation
from kernelopt.kernels.torch_rows import TorchKernels
from kernelopt.kernels.validation import check_gram

__all__ = [
    "FAMILIES",
    "ARDHarmonic",
    "Constant",
    "ExplicitHyperkernel",
    "Gaussian",
    "GaussianHarmonic",
    "GaussianHyperkernel",
    "GaussianProcessKernel",
    "Harmonic",
    "HyperPivots",
    "Hyperkernel",
    "Kernel",
    "KernelStack",
    "Linear",
    "LowRankKernels",
    "Named",
    "Normalization",
    "OnColumns",
    "Polynomial",
    "Power",
    "PowerSeries",
    "Product",
    "Scaled",
    "Slice",
    "Sum",
    "TessellatedKernels",
    "Tessellation",
    "TorchKernels",
    "TranslationInvariant",
    "White",
    "WishartHyperkernel",
    "as_kernel",
    "as_stack",
    "check_gram",
    "column_indices",
    "eigenvector_kernels",
    "gaussian",
    "has_white",
    "hyper_pivots",
    "image_patches",
    "is_proven_psd",
    "kernel_diag",
    "kernel_name",
    "mixed",
    "per_feature",
    "per_group",
    "polynomial",
    "resolve",
    "scale_gamma",
    "white",
]
