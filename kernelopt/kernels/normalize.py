"""Normalisation of kernels: fitted on the training points, applied unchanged to new ones."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from kernelopt.kernels.on_the_fly import OnTheFly
from kernelopt.kernels.rows import StoredKernels
from kernelopt.kernels.stack import KernelStack

FITTED_ON_THE_FLY = ("variance", "trace", None)
METHODS = ("variance", "center", "trace", "spherical", None)


@dataclass(frozen=True, eq=False)
class Normalization:
    r"""What is done to each kernel, remembered from the training points.

    With weights p (adding up to one) on the training points :math:`x_j`, a kernel becomes

    ============  ==============================================================================================
    variance      :math:`k / s,\; s = \sum_i p_i K_{ii} - p^\top K p`, the variance in feature space [kloft2011]_
    center        :math:`(k(x, z) - m(x) - m(z) + p^\top K p) / s,\; m(x) = \sum_j p_j k(x, x_j)`: the inner product of
                  :math:`\varphi(x) - \bar\varphi` and :math:`\varphi(z) - \bar\varphi`, with the same variance s
    trace         :math:`k / s,\; s = \sum_i p_i K_{ii}`
    spherical     :math:`k(x, z) / \sqrt{k(x, x)\, k(z, z)}`
    None          :math:`k`
    ============  ==============================================================================================

    Divisors are kept beside the matrices that `apply` returns, so that "variance" and "trace" copy nothing.

    Parameters
    ----------
    method : {"variance", "center", "trace", "spherical", None}
        Which.
    scale : array of shape (M,)
        Divisor s of each kernel; ``inf`` for a kernel that is constant on the training points and so
        has nothing to learn from (with "variance" and "center"), or zero.
    weight : array of shape (n_train,)
        p.
    profile : array of shape (M, n_train), or None
        What `measure` finds on the training points.
    constant : array of shape (M,), or None
        What is added to all entries of each kernel first; see `kernelopt.kernels.validation.missing_constant`.

    References
    ----------
    .. [kloft2011] Kloft, Brefeld, Sonnenburg, Zien. lp-Norm Multiple Kernel Learning. JMLR 12, 2011.

    Examples
    --------
    >>> from kernelopt.kernels import Linear
    >>> X = np.array([[1.0], [3.0]])
    >>> stack = KernelStack.from_kernels([Linear()], X)
    >>> normalization = Normalization.fit(stack, "center")
    >>> normalization.apply(stack).mix(np.ones(1))
    array([[ 1., -1.],
           [-1.,  1.]])
    >>> normalization.apply(KernelStack.from_kernels([Linear()], np.array([[2.0]]), X)).mix(np.ones(1))
    array([[0., 0.]])
    """

    method: str | None
    scale: np.ndarray
    weight: np.ndarray
    profile: np.ndarray | None = None
    constant: np.ndarray | None = None

    @classmethod
    def fit(
        cls, stack: KernelStack, method: str | None, sample_weight=None, constant: np.ndarray | None = None
    ) -> Normalization:
        """Measure a square training stack.

        Raises
        ------
        ValueError
            If the method is unknown, if "trace" or "spherical" meet a negative k(x, x), or if no kernel varies.

        Examples
        --------
        >>> stack = KernelStack.from_leading([np.diag([1.0, 3.0])])
        >>> Normalization.fit(stack, "trace").scale
        array([2.])
        """
        if method not in METHODS:
            raise ValueError(f"normalize must be one of {METHODS}, found {method!r}")
        n, n_train, M = stack.shape
        if n != n_train:
            raise ValueError(f"a normalisation is fitted on a square training stack, found shape {stack.shape}")
        if constant is not None:
            return replace(cls.fit(_raised(stack, constant), method, sample_weight), constant=constant)
        p = np.full(n, 1 / n) if sample_weight is None else np.asarray(sample_weight, float) / np.sum(sample_weight)
        diag = np.asarray(np.einsum("kii->ki", stack.leading) if stack.diag is None else stack.diag, dtype=float)
        # In units of each kernel's largest entry: no overflow at 1e300, no underflow at 1e-300.
        size = np.array([max(float(K.max()), -float(K.min())) for K in stack.leading])
        size[size == 0] = 1.0
        share = (diag / size[:, None]) @ p
        if method in ("trace", "spherical") and (share < 0).any():
            negative = ", ".join(np.array(stack.names)[share < 0])
            raise ValueError(
                f"normalize={method!r} needs k(x, x) >= 0, which fails for: {negative}; choose normalize='variance'"
            )
        if method in ("variance", "center"):
            spread = share - np.array([p @ (K / s) @ p for K, s in zip(stack.leading, size, strict=True)])
            share = np.where(spread > 1e-12, spread, 0.0)
        divided = method in ("variance", "center", "trace")
        flat = share == 0 if divided else ~np.any(stack.leading, axis=(1, 2))
        scale = _divisors(flat, share * size if divided else np.ones(M), stack.names)
        if method == "spherical":
            return cls(method, scale, p, np.sqrt(diag))
        return cls(method, scale, p, cls(method, scale, p).measure(stack))

    @classmethod
    def fit_on_the_fly(cls, kernels: OnTheFly, method: str | None, sample_weight=None) -> Normalization:
        """Measure kernels that are made row by row, on all their points; "variance", "trace" or None.

        Examples
        --------
        >>> from kernelopt.kernels import Gaussian
        >>> X = np.array([[0.0], [1.0], [3.0]])
        >>> computed = Normalization.fit_on_the_fly(OnTheFly.of([Gaussian(1.0)], X), "variance")
        >>> stored = Normalization.fit(KernelStack.from_kernels([Gaussian(1.0)], X), "variance")
        >>> bool(np.isclose(computed.scale[0], stored.scale[0]))
        True
        """
        if method not in FITTED_ON_THE_FLY:
            raise ValueError(f"on the fly normalize must be one of {FITTED_ON_THE_FLY}, found {method!r}")
        n, diag = kernels.n_samples, kernels.diagonals
        p = np.full(n, 1 / n) if sample_weight is None else np.asarray(sample_weight, float) / np.sum(sample_weight)
        share, size = diag @ p, np.maximum(diag.max(axis=1), 1e-300)  # no entry is larger than the diagonal's largest
        if method == "variance":
            spread = share - 2 * kernels.quadratics(p[:, None])
            share = np.where(spread > 1e-12 * size, spread, 0.0)
        return cls(method, _divisors(share == 0, share if method else np.ones(len(share)), kernels.names), p)

    def measure(self, stack: KernelStack) -> np.ndarray | None:
        r"""Return what the rows of a stack are normalised by, besides the divisors: shape (M, n).

        The root of k(x, x) for "spherical", the mean m(x) over the training points for "center", None for the others.

        Raises
        ------
        ValueError
            If the stack does not hold it: "spherical" needs its `diag`, "center" all training points as columns.
        """
        if self.method == "spherical":
            if stack.diag is None:
                raise ValueError(
                    "normalize='spherical' needs k(x, x) of the new points, which a bare array does not hold; "
                    "pass KernelStack(..., diag=...), or choose normalize='variance' or 'trace'"
                )
            return self.of_diagonal(stack.diag)
        if self.method == "center":
            if stack.shape[1] != len(self.weight):
                raise ValueError(
                    f"normalize='center' needs the kernels between the new points and all {len(self.weight)} training "
                    f"points, found {stack.shape[1]} columns"
                )
            means = np.stack([K @ self.weight for K in stack.leading])
            return means if self.constant is None else means + self.constant[:, None]
        return None

    def of_diagonal(self, diag) -> np.ndarray:
        """Return what "spherical" divides by, from k(x, x): shape (M, n)."""
        diag = np.asarray(diag, dtype=float)
        return np.sqrt(diag if self.constant is None else diag + self.constant[:, None])

    def apply(
        self, stack: KernelStack, *, rows: np.ndarray | None = None, columns: np.ndarray | None = None
    ) -> StoredKernels:
        """Return the normalised kernels of the training stack, or of one between new points and training points.

        Parameters
        ----------
        stack : KernelStack of shape (n, n_columns, M)
            The kernels as they are. Its columns are all training points in their order, unless `columns` is given.
        rows, columns : array of shape (M, n) and (M, n_columns), optional
            What `measure` finds for the points of the rows and of the columns, where it is known already.

        Returns
        -------
        StoredKernels
            Matrices and divisors; `mix` adds them up with weights. float32 stays float32.
        """
        rows = self.measure(stack) if rows is None else rows
        stack = stack if self.constant is None else _raised(stack, self.constant)
        if self.method not in ("spherical", "center"):
            return StoredKernels(stack.leading, self.scale)
        columns = self.profile if columns is None else columns
        assert rows is not None and columns is not None and self.profile is not None
        Ks = np.zeros(stack.leading.shape, dtype=np.result_type(stack.dtype, np.float32))
        middle = self.profile @ self.weight
        for k, K in enumerate(stack.leading):
            if self.method == "center":
                Ks[k] = K - np.add.outer(rows[k], columns[k]) + middle[k]
            else:
                roots = np.outer(rows[k], columns[k])
                np.divide(K, roots, out=Ks[k], where=roots > 0, casting="same_kind")
        return StoredKernels(Ks, self.scale)

    def select(self, kernels) -> Normalization:
        """Return the normalisation of some of the kernels."""
        profile = None if self.profile is None else self.profile[kernels]
        constant = None if self.constant is None else self.constant[kernels]
        return Normalization(self.method, self.scale[kernels], self.weight, profile, constant)


def _divisors(flat: np.ndarray, scale: np.ndarray, names) -> np.ndarray:
    """Return the divisors, infinite (with a warning) for kernels from which nothing can be learned."""
    if flat.any():
        useless = ", ".join(np.array(names)[flat])
        if flat.all():
            raise ValueError(f"every kernel is constant or zero on the training points: {useless}")
        warnings.warn(f"constant or zero on the training points, so without use and left out: {useless}", stacklevel=4)
    return np.where(flat, np.inf, scale)


def _raised(stack: KernelStack, constant: np.ndarray) -> KernelStack:
    """Return the stack with a constant added to all entries of each kernel."""
    diag = None if stack.diag is None else stack.diag + constant[:, None]
    return KernelStack(stack.leading + constant[:, None, None], names=stack.names, diag=diag)
