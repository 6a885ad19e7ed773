"""Tessellated kernels: integrals over a box of what indicators of orthants see of two points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sklearn.preprocessing import PolynomialFeatures

from kernelopt.kernels.rows import Kernels


@dataclass(frozen=True, eq=False)
class Tessellation:
    r"""The features that tessellated kernels are quadratic forms of [colbert2020]_.

    .. math::
        k_P(x, y) = \int_{[a, b]} N(z, x)^\top P N(z, y)\, dz, \qquad
        N(z, x) = \begin{pmatrix} Z(x)\, \mathbf{1}[z \ge x] \\ Z(x)\, \mathbf{1}[z \not\ge x] \end{pmatrix},

    with the monomials Z(x) up to a degree, :math:`z \ge x` in every coordinate, and dz the uniform distribution on the
    box (the paper has Lebesgue's measure: its P is ours over the volume). For :math:`P \succeq 0` it is a kernel.

    The integral is elementary. With :math:`t(x) = \prod_j (b_j - x_j) / (b_j - a_j)`, the share of the box above x, the
    indicators of x and y are both one on the share :math:`t(\max(x, y))`, that of x alone on
    :math:`t(x) - t(\max(x, y))`, that of y alone on :math:`t(y) - t(\max(x, y))`. Written with :math:`\mathbf{1}[z \ge
    x]` and 1 in place of the two indicators, so with :math:`D = (I, -I)^\top` for what multiplies the first and
    :math:`E = (0, I)^\top` for the second,

    .. math::
        k_P(x, y) = Z(x)^\top \bigl[ t(\max(x, y))\, D^\top P D + t(x)\, D^\top P E + t(y)\, E^\top P D + E^\top P E
        \bigr] Z(y).

    Parameters
    ----------
    lower, upper : arrays of shape (d,)
        The box [a, b]. Points may lie outside of it: t then counts what of the box is above them.
    degree : int
        Of the monomials, which are those of the points alone (as in the software of the authors; their paper also has
        monomials in z).

    Raises
    ------
    ValueError
        A box without inside, or a negative degree.

    References
    ----------
    .. [colbert2020] Colbert, Peet. A Convex Parametrization of a New Class of Universal Kernel Functions. JMLR 21,
       2020.

    Examples
    --------
    >>> k = Tessellation.around(np.array([[0.0], [1.0]]), margin=0.0, degree=0)
    >>> k(np.diag([1.0, 0.0]), np.array([[0.25]]), np.array([[0.5], [0.75]]))  # 1 - max(x, y)
    array([[0.5 , 0.25]])
    """

    lower: np.ndarray
    upper: np.ndarray
    degree: int = 1

    def __post_init__(self):
        lower, upper = np.asarray(self.lower, dtype=float), np.asarray(self.upper, dtype=float)
        if lower.ndim != 1 or lower.shape != upper.shape or not np.all(upper > lower):
            raise ValueError(
                f"lower and upper must be arrays of shape (d,) with lower < upper, found {lower!r} and {upper!r}"
            )
        if not (isinstance(self.degree, int | np.integer) and self.degree >= 0):
            raise ValueError(f"degree must be a nonnegative integer, found {self.degree!r}")
        object.__setattr__(self, "lower", lower)
        object.__setattr__(self, "upper", upper)

    @classmethod
    def around(cls, X: np.ndarray, margin: float = 0.1, degree: int = 1) -> Tessellation:
        """Return the tessellation of the box around the rows of X, wider on each side by `margin` times the range."""
        lower, upper = X.min(axis=0), X.max(axis=0)
        span = np.where(upper > lower, upper - lower, 1.0)
        wide = np.where(upper > lower, margin, max(margin, 0.5))  # a coordinate that does not vary still needs a width
        return cls(lower - wide * span, upper + wide * span, degree)

    def monomials(self, X: np.ndarray) -> np.ndarray:
        """Return Z: shape (n, number of monomials)."""
        return PolynomialFeatures(self.degree).fit_transform(X)

    def above(self, X: np.ndarray) -> np.ndarray:
        """Return t at the rows of X: shape (n,)."""
        return np.prod((self.upper - np.clip(X, self.lower, self.upper)) / (self.upper - self.lower), axis=-1)

    def above_both(self, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return t at the maxima of the rows of X and of Y: shape (n_x, n_y)."""
        T = np.ones((len(X), len(Y)))
        for x, y, low, high in zip(X.T, Y.T, self.lower, self.upper, strict=True):
            T *= (high - np.clip(np.maximum(x[:, None], y), low, high)) / (high - low)
        return T

    def split(self, X: np.ndarray, U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what multiplies the indicator and what is without one, in N(z, x)'U: shapes (n, columns of U)."""
        Z, q = self.monomials(X), len(U) // 2
        return Z @ (U[:q] - U[q:]), Z @ U[q:]

    def __call__(self, P: np.ndarray, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return the kernel of P between the rows of X and Y."""
        return self.between(np.eye(len(P)), P, X, Y)

    def between(self, U: np.ndarray, P: np.ndarray, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Return the kernel of U P U' between the rows of X and Y."""
        (A, B), (C, D) = self.split(X, U), self.split(Y, U)
        tA, tC = self.above(X)[:, None] * A, self.above(Y)[:, None] * C
        return self.above_both(X, Y) * (A @ P @ C.T) + tA @ P @ D.T + B @ P @ tC.T + B @ P @ D.T


@dataclass(frozen=True, eq=False)
class TessellatedKernels(Kernels):
    r"""Tessellated kernels on N points, linear in a matrix: :math:`K(P)_{ij} = k_{U P U^\top}(x_i, x_j)`.

    As a list of kernels they are those of the columns of U (:math:`P = e_k e_k^\top`).

    Parameters
    ----------
    tessellation : Tessellation
        The features.
    X : array of shape (N, d)
        The points.
    U : array of shape (2 q, m), optional
        Which directions of the features there are; all, where it is left out.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0]])
    >>> kernels = TessellatedKernels(Tessellation.around(X, 0.5, degree=0), X)
    >>> V = np.array([[1.0], [-1.0]])
    >>> P = np.array([[1.0, 0.5], [0.5, 2.0]])
    >>> float(np.sum(P * kernels.form(V))), 0.5 * float(V[:, 0] @ kernels.matrix(P) @ V[:, 0])
    (0.5, 0.5)
    """

    tessellation: Tessellation
    X: np.ndarray
    U: np.ndarray | None = None

    dtype = np.dtype(float)

    @cached_property
    def directions(self) -> np.ndarray:
        """U."""
        if self.U is not None:
            return self.U
        return np.eye(2 * self.tessellation.monomials(self.X[:1]).shape[1])

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """T = t(max), and A, tA, B such that K(P) = T∘(A P A') + tA P B' + B P tA' + B P B'."""
        A, B = self.tessellation.split(self.X, self.directions)
        return self.tessellation.above_both(self.X, self.X), A, self.tessellation.above(self.X)[:, None] * A, B

    @property
    def n_kernels(self) -> int:  # type: ignore[override]
        """m, the number of directions."""
        return self.directions.shape[1]

    @property
    def n_samples(self) -> int:  # type: ignore[override]
        """N."""
        return len(self.X)

    @cached_property
    def description(self) -> str:  # type: ignore[override]
        """What is solved exactly."""
        return f"{self.n_kernels} kernels, {self.n_samples} samples, tessellated, degree {self.tessellation.degree}"

    @cached_property
    def diagonals(self) -> np.ndarray:  # type: ignore[override]
        """k(x, x) for each direction: shape (m, N)."""
        T, A, tA, B = self.parts
        return (np.diagonal(T)[:, None] * A**2 + 2 * tA * B + B**2).T

    # ---- as matrices -------------------------------------------------------------------------------------------------

    def matrix(self, P: np.ndarray) -> np.ndarray:
        """Return K(P), for a symmetric P of shape (m, m)."""
        T, A, tA, B = self.parts
        cross = (tA + 0.5 * B) @ P @ B.T
        return T * (A @ P @ A.T) + cross + cross.T

    def form(self, V: np.ndarray) -> np.ndarray:
        r"""Return the matrix G with :math:`\langle P, G \rangle = \tfrac12 \langle K(P), V V^\top \rangle`."""
        T, A, tA, B = self.parts
        G = np.zeros((self.n_kernels, self.n_kernels))
        for v in V.T:
            rows = np.flatnonzero(v)
            vA = v[rows, None] * A[rows]
            cross = np.outer((tA + 0.5 * B).T @ v, B.T @ v)
            G += vA.T @ (T[np.ix_(rows, rows)] @ vA) + cross + cross.T
        return 0.25 * (G + G.T)

    def slopes(self, V: np.ndarray) -> np.ndarray:
        """Return the derivatives of the form by each entry of V, column by column: shape (k N, m, m)."""
        T, A, tA, B = self.parts
        out = []
        for v in V.T:
            tv, bv = tA.T @ v, B.T @ v
            H = A[:, :, None] * (T @ (v[:, None] * A))[:, None] + tA[:, :, None] * bv + B[:, :, None] * (tv + bv)
            out.append(0.5 * (H + np.swapaxes(H, 1, 2)))
        return np.concatenate(out)

    # ---- as a list of kernels ----------------------------------------------------------------------------------------

    def rows(self, mu, index, out=None, slots=None):
        """Return rows of the kernel of the diagonal P with these entries, shape (r, N)."""
        T, A, tA, B = self.parts
        i = np.asarray(index)
        total = T[i] * ((mu * A[i]) @ A.T) + (mu * (tA[i] + B[i])) @ B.T + (mu * B[i]) @ tA.T
        if out is None:
            return total
        out[slots] = total
        return out

    def products(self, V, which=None):
        """Return K_k V for each direction, shape (m, N, columns of V)."""
        T, A, tA, B = self.parts
        chosen = np.arange(self.n_kernels) if which is None else np.arange(self.n_kernels)[which]
        out = np.empty((len(chosen), *V.shape))
        for target, k in zip(out, chosen, strict=True):
            a, ta, b = A[:, k, None], tA[:, k], B[:, k]
            target[:] = a * (T @ (a * V)) + np.outer(ta + b, b @ V) + np.outer(b, ta @ V)
        return out

    def take(self, index):
        """Return the kernels on some of the points."""
        return replace(self, X=self.X[index])

    def select(self, which):
        """Return the kernels of some of the directions."""
        return replace(self, U=self.directions[:, which])
