"""Kernels of low rank: M factors in the place of M Gram matrices, and what that changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from kernelopt.kernels.columns import as_gaussian
from kernelopt.kernels.factors import fourier_features, nystroem, pivoted_cholesky
from kernelopt.kernels.interface import KernelLike, as_kernel, evaluate, has_white, kernel_diag, kernel_name
from kernelopt.kernels.rows import Kernels


@dataclass(frozen=True, eq=False)
class LowRankKernels(Kernels):
    r"""Kernels :math:`L_k L_k^\top` with factors of shape (n, r_k): everything costs n r instead of n².

    A certificate of a problem with these kernels proves an optimum for *them*, and its description says how they were
    made. Where :math:`E_k = K_k - L_k L_k^\top` is positive semidefinite (pivoted Cholesky, Nystroem), it also brackets
    the optimum for the :math:`K_k` themselves. For any weights and any dual point a, V = V(a),

    .. math::
        \omega(K(\mu)) \le \omega(L(\mu)), \qquad
        q_k \le \tfrac12 \langle K_k, V V^\top \rangle \le q_k + e_k(V), \qquad
        e_k(V) = \tfrac12 \sum_c \Bigl( \sum_i |V_{ic}| \sqrt{(E_k)_{ii}} \Bigr)^2
               \le \tfrac12 \operatorname{tr}(E_k) \|V\|_F^2,

    with :math:`q_k = \tfrac12 \langle L_k L_k^\top, V V^\top \rangle`, so that for a set whose weights do not depend on
    the kernels

    .. math::
        \varphi(a) - R^*\bigl(q + e(V)\bigr) \;\le\; \operatorname{opt}(K) \;\le\; \operatorname{opt}(L L^\top)
        \;\le\; \text{primal bound}.

    The left-hand side is ``problem.dual(a, q=kernels.quadratics(V) + kernels.excess(V))``.

    Parameters
    ----------
    factors : tuple of arrays of shape (n, r_k)
        The L_k.
    approximation : str
        How they were made, and what they leave out.
    residuals : array of shape (M, n), or None
        The diagonals of the :math:`E_k`; None where these are not positive semidefinite.

    Examples
    --------
    >>> from kernelopt.kernels import Gaussian, Linear
    >>> X = np.random.default_rng(0).normal(size=(100, 2))
    >>> kernels = LowRankKernels.pivoted_cholesky([Linear(), Gaussian(0.1)], X, tol=1e-6)
    >>> kernels.ranks, kernels.description
    ((2, 27), '2 kernels, 100 samples, low rank (pivoted Cholesky, trace error <= 6.7e-07)')
    """

    factors: tuple[np.ndarray, ...]
    approximation: str = "given factors"
    residuals: np.ndarray | None = None

    dtype = np.dtype(float)

    def __post_init__(self):
        factors = tuple(np.ascontiguousarray(L, dtype=float) for L in self.factors)
        if not factors:
            raise ValueError("factors is empty; pass at least one array of shape (n, r)")
        shapes = [L.shape for L in factors]
        if any(len(shape) != 2 or shape[0] != shapes[0][0] for shape in shapes):
            raise ValueError(f"factors must be arrays of shape (n, r_k) with the same n, found {shapes}")
        if not all(np.isfinite(L).all() for L in factors):
            raise ValueError("factors contain NaN or infinity; they must be finite")
        object.__setattr__(self, "factors", factors)

    # ---- how they are made -------------------------------------------------------------------------------------------

    @classmethod
    def pivoted_cholesky(
        cls, kernels: Sequence[Any], X, tol: float = 1e-6, max_rank: int | None = None
    ) -> LowRankKernels:
        r"""Factor kernels on the rows of X until their traces are met to `tol`, whatever rank that takes.

        Parameters
        ----------
        kernels : sequence
            As `kernelopt.kernels.as_kernel` takes them, without `White`.
        X : array or sparse matrix of shape (n, d)
            Points.
        tol : float
            What may be left of each trace, as a share of it.
        max_rank : int, optional
            Where a factor ends at the latest; the description then says what is left.
        """
        kernels, X = _checked(kernels, X)
        pairs = [pivoted_cholesky(_columns(kernel, X), kernel_diag(kernel, X), tol, max_rank) for kernel in kernels]
        return cls._of_pairs(pairs, "pivoted Cholesky")

    @classmethod
    def nystroem(cls, kernels: Sequence[Any], X, rank: int, seed: int | None = 0) -> LowRankKernels:
        """Project kernels on the rows of X onto `rank` of the points, drawn with the seed and shared by the kernels.

        Parameters
        ----------
        kernels : sequence
            As `kernelopt.kernels.as_kernel` takes them, without `White`.
        X : array or sparse matrix of shape (n, d)
            Points.
        rank : int
            Number of landmarks, at most n.
        seed : int
            Of the draw without replacement.
        """
        kernels, X = _checked(kernels, X)
        n = X.shape[0]
        if not 1 <= rank <= n:
            raise ValueError(f"rank must be between 1 and the number of points, {n}, found {rank!r}")
        landmarks = np.sort(np.random.default_rng(seed).choice(n, rank, replace=False))
        Z = X[landmarks]
        pairs = [nystroem(evaluate(kernel, X, Z), landmarks, kernel_diag(kernel, X)) for kernel in kernels]
        return cls._of_pairs(pairs, f"Nystroem, {rank} landmarks, seed {seed}")

    @classmethod
    def random_features(cls, kernels: Sequence[Any], X, rank: int, seed: int | None = 0) -> LowRankKernels:
        """Draw random Fourier features of Gaussian kernels (on all or some of the columns) at the rows of X.

        The kernels are right in the mean only: there is no bound of what this changes.

        Parameters
        ----------
        kernels : sequence of `kernelopt.kernels.Gaussian`, or these on columns
            Which kernels.
        X : array or sparse matrix of shape (n, d)
            Points.
        rank : int
            Features per kernel; even.
        seed : int
            Of the frequencies, which are drawn kernel by kernel.
        """
        kernels, X = _checked(kernels, X)
        rng, factors = np.random.default_rng(seed), []
        for kernel in kernels:
            gaussian, columns = as_gaussian(kernel)
            if gaussian is None:
                raise ValueError(
                    f"random Fourier features are for Gaussian kernels, found {kernel_name(kernel)!r}; use "
                    f"pivoted_cholesky or nystroem"
                )
            points = X if columns is None else X[:, list(columns)]
            factors.append(fourier_features(points, gaussian.gamma, rank, rng))
        return cls(tuple(factors), f"random Fourier features, rank {rank}, seed {seed}")

    @classmethod
    def _of_pairs(cls, pairs, method: str) -> LowRankKernels:
        return cls(tuple(L for L, _ in pairs), method, np.stack([left for _, left in pairs]))

    # ---- what they are -----------------------------------------------------------------------------------------------

    @property
    def n_kernels(self) -> int:  # type: ignore[override]
        """M."""
        return len(self.factors)

    @property
    def n_samples(self) -> int:  # type: ignore[override]
        """N."""
        return len(self.factors[0])

    @property
    def ranks(self) -> tuple[int, ...]:
        """Columns of the factors."""
        return tuple(L.shape[1] for L in self.factors)

    @property
    def errors(self) -> np.ndarray | None:
        """What is left out of each trace, as a share of it: shape (M,)."""
        if self.residuals is None:
            return None
        left = self.residuals.sum(axis=1)
        return left / np.where(left > 0, self.traces + left, 1.0)

    @cached_property
    def description(self) -> str:  # type: ignore[override]
        """What is solved exactly: number of kernels, samples and the approximation."""
        error = "" if self.errors is None else f", trace error <= {_rounded_up(float(self.errors.max()))}"
        return f"{self.n_kernels} kernels, {self.n_samples} samples, low rank ({self.approximation}{error})"

    @cached_property
    def diagonals(self) -> np.ndarray:  # type: ignore[override]
        """The k(x, x): shape (M, n)."""
        return np.stack([np.einsum("ir,ir->i", L, L) for L in self.factors])

    def excess(self, V: np.ndarray) -> np.ndarray:
        r"""Return how much larger :math:`\tfrac12 \langle K_k, V V^\top \rangle` can be with the K_k: shape (M,).

        Raises
        ------
        ValueError
            There is no such bound, as for random features.
        """
        if self.residuals is None:
            raise ValueError(
                f"nothing bounds what '{self.approximation}' leaves out; use pivoted_cholesky or nystroem, which do"
            )
        return 0.5 * np.sum((np.sqrt(self.residuals) @ np.abs(V)) ** 2, axis=1)

    # ---- what solvers ask --------------------------------------------------------------------------------------------

    def rows(self, mu, index, out=None, slots=None):
        """Return rows of K(mu), shape (r, n), at 2 n r operations each."""
        total = np.zeros((len(index), self.n_samples))
        for k in np.flatnonzero(mu):
            total += (mu[k] * self.factors[k][index]) @ self.factors[k].T
        if out is None:
            return total
        out[slots] = total
        return out

    def products(self, V, which=None):
        """Return L_k (L_k' V) for each kernel, shape (M, n, columns of V)."""
        chosen = self._chosen(which)
        out = np.empty((len(chosen), self.n_samples, V.shape[1]))
        for target, L, C in zip(out, chosen, self._coordinates(V, chosen), strict=True):
            np.matmul(L, C, out=target)
        return out

    def quadratics(self, V, which=None):
        """Return half the squared norms of the L_k' V."""
        return np.array([0.5 * float(np.sum(C**2)) for C in self._coordinates(V, self._chosen(which))])

    def apply(self, mu, V):
        """Return K(mu) V, shape (n, k)."""
        total = np.zeros((self.n_samples, V.shape[1]))
        active = np.flatnonzero(mu)
        chosen = self._chosen(active)
        for weight, L, C in zip(mu[active], chosen, self._coordinates(V, chosen), strict=True):
            total += L @ (weight * C)
        return total

    def inner(self, Z):
        """Return <K_k, Z> for each kernel: shape (M,)."""
        return np.array([float(np.sum(L * (Z @ L))) for L in self.factors])

    def take(self, index):
        """Return the kernels on some of the points; what was left out is known there too."""
        residuals = None if self.residuals is None else self.residuals[:, index]
        return replace(self, factors=tuple(L[index] for L in self.factors), residuals=residuals)

    def select(self, which):
        """Return some of the kernels."""
        residuals = None if self.residuals is None else self.residuals[which]
        return replace(self, factors=self._chosen(which), residuals=residuals)

    def divided(self, scale: np.ndarray) -> LowRankKernels:
        """Return the kernels divided by one positive number each, as a normalisation asks.

        Examples
        --------
        >>> LowRankKernels((np.array([[2.0], [0.0]]),)).divided(np.array([4.0])).diagonals
        array([[1., 0.]])
        """
        scale = np.asarray(scale, dtype=float)
        if scale.shape != (self.n_kernels,) or not np.all(scale > 0):
            raise ValueError(f"scale must hold {self.n_kernels} positive numbers, found {scale!r}")
        residuals = None if self.residuals is None else self.residuals / scale[:, None]
        factors = tuple(L / np.sqrt(s) for L, s in zip(self.factors, scale, strict=True))
        return replace(self, factors=factors, residuals=residuals)

    def _chosen(self, which) -> tuple[np.ndarray, ...]:
        return self.factors if which is None else tuple(self.factors[k] for k in np.arange(self.n_kernels)[which])

    def _coordinates(self, V, factors):
        """Yield L_k' V; the rows of the factors where V is zero are not read."""
        rows = np.flatnonzero(np.any(V != 0, axis=1))
        whole, part = len(rows) == len(V), V[rows]
        return ((L if whole else L[rows]).T @ part for L in factors)


def _checked(kernels: Sequence[Any], X) -> tuple[list[KernelLike], Any]:
    """Return callables and an array of points, or say what has no low rank."""
    kernels = [as_kernel(kernel) for kernel in kernels]
    white = [kernel_name(kernel) for kernel in kernels if has_white(kernel)]
    if white:
        raise ValueError(
            f"{', '.join(white)} tells a point from its copy and so has full rank; leave it out and let the criterion "
            f"have a ridge (squared_hinge, least_squares)"
        )
    return kernels, X if sparse.issparse(X) else np.asarray(X)


def _columns(kernel: KernelLike, X) -> Callable[[int], np.ndarray]:
    return lambda i: evaluate(kernel, X, X[i : i + 1])[:, 0]


def _rounded_up(share: float) -> str:
    """Return a number in two digits, not less than it is."""
    if share <= 0:
        return "0"
    unit = 10.0 ** (np.floor(np.log10(share)) - 1)
    return f"{np.ceil(share / unit * (1 - 1e-12)) * unit:.1e}"
