"""Where dense linear algebra runs: in NumPy, or through torch on a processor or a graphics card, in float64."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from kernelopt.errors import missing_extra

RIDGES = (0.0, 1e-14, 1e-12, 1e-10, 1e-8)


class NumpyBackend:
    """The interface, in NumPy: arrays come and go as ndarrays, and what stays in between is the backend's own.

    Own arrays know ``@ + - *``, ``.T`` and ``reshape``; everything else that a solver does to them is here.
    """

    name = "numpy"

    def put(self, A: np.ndarray) -> Any:
        """Return an own array."""
        return A

    def get(self, A: Any) -> np.ndarray:
        """Return an ndarray."""
        return A

    def empty(self, *shape: int) -> Any:
        """Return an own array of no particular numbers."""
        return np.empty(shape)

    def cholesky(self, A: Any) -> Any:
        """Return the lower factor; raise `numpy.linalg.LinAlgError` where A is not positive definite."""
        return linalg.cholesky(A, lower=True, check_finite=False)

    def solve(self, L: Any, B: Any) -> Any:
        """Return (L L')⁻¹ B."""
        return linalg.cho_solve((L, True), B, check_finite=False)

    def inverse(self, L: Any) -> Any:
        """Return L⁻¹."""
        return linalg.lapack.dtrtri(L, lower=1)[0]

    def smallest(self, A: Any) -> float:
        """Return the smallest eigenvalue."""
        return float(self.eigh(A, 1)[0][0])

    def eigh(self, A: Any, count: int | None = None) -> tuple[np.ndarray, Any]:
        """Return the eigenvalues, the smallest `count` of them, as an ndarray, and an own array of eigenvectors."""
        if count is None or count >= len(A):
            return linalg.eigh(A, driver="evd", check_finite=False)  # MRRR may fail where many eigenvalues are rounding
        try:
            return linalg.eigh(A, subset_by_index=[0, count - 1], check_finite=False)
        except linalg.LinAlgError:
            values, vectors = linalg.eigh(A, driver="evd", check_finite=False)
            return values[:count], np.ascontiguousarray(vectors[:, :count])

    def between(self, L: Any, As: Any, S: Any, out: Any) -> None:
        """Write (L A S)' for each symmetric A of a stack into `out`; L and S are lower triangular."""
        for A, target in zip(As, out, strict=True):
            target[:] = A
            # In place: the transpose of a row-major array is the column-major one that BLAS wants.
            linalg.blas.dtrmm(1.0, L, target.T, lower=1, overwrite_b=1)
            linalg.blas.dtrmm(1.0, S, target.T, side=1, lower=1, overwrite_b=1)


class TorchBackend:
    """The same on a device of torch's.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1", ...: a device that knows float64.

    Raises
    ------
    MissingExtraError
        Without torch.
    ValueError
        The device is not there; the message says which are.
    """

    def __init__(self, device: str):
        self.name = device
        found = ["cpu", *(f"cuda:{i}" for i in range(self.torch.cuda.device_count()))]
        if device not in found and not (device == "cuda" and len(found) > 1):
            raise ValueError(
                f"device {device!r} is not here: torch {self.torch.__version__} finds {', '.join(map(repr, found))}. "
                f"Use one of these, or None for NumPy"
            )

    @cached_property
    def torch(self) -> Any:
        """The library, loaded when it is first needed."""
        try:
            import torch
        except ImportError as error:
            raise missing_extra("torch", "conv") from error
        return torch

    def put(self, A: np.ndarray) -> Any:
        """Return an own array."""
        return self.torch.as_tensor(np.ascontiguousarray(A, dtype=float), device=self.name)

    def get(self, A: Any) -> np.ndarray:
        """Return an ndarray."""
        return A.cpu().numpy()

    def empty(self, *shape: int) -> Any:
        """Return an own array of no particular numbers."""
        return self.torch.empty(shape, dtype=self.torch.float64, device=self.name)

    def cholesky(self, A: Any) -> Any:
        """Return the lower factor; raise `numpy.linalg.LinAlgError` where A is not positive definite."""
        L, failed = self.torch.linalg.cholesky_ex(A)
        if int(failed):
            raise linalg.LinAlgError(f"the leading minor of order {int(failed)} is not positive definite")
        return L

    def solve(self, L: Any, B: Any) -> Any:
        """Return (L L')⁻¹ B."""
        return self.torch.cholesky_solve(B, L)

    def inverse(self, L: Any) -> Any:
        """Return L⁻¹."""
        identity = self.torch.eye(len(L), dtype=L.dtype, device=L.device)
        return self.torch.linalg.solve_triangular(L, identity, upper=False)

    def smallest(self, A: Any) -> float:
        """Return the smallest eigenvalue."""
        return float(self.torch.linalg.eigvalsh(A)[0])

    def eigh(self, A: Any, count: int | None = None) -> tuple[np.ndarray, Any]:
        """Return the eigenvalues, the smallest `count` of them, as an ndarray, and an own array of eigenvectors."""
        values, vectors = self.torch.linalg.eigh(A)
        return self.get(values)[:count], vectors[:, :count]

    def between(self, L: Any, As: Any, S: Any, out: Any) -> None:
        """Write (L A S)' for each symmetric A of a stack into `out`; L and S are lower triangular."""
        for A, target in zip(As, out, strict=True):
            target[:] = (L @ (A @ S)).T


Backend = NumpyBackend | TorchBackend
NUMPY = NumpyBackend()


def backend(device: str | None = None) -> Backend:
    """Return NumPy's backend for None, torch's for the name of a device.

    Examples
    --------
    >>> backend().name
    'numpy'
    """
    return NUMPY if device is None else TorchBackend(device)


class Factor:
    """A Cholesky factor kept where it was made; a ridge at the level of rounding is added where the matrix needs one.

    Parameters
    ----------
    B : array of shape (n, n)
        Symmetric.
    where : Backend
        The device.
    patient : bool
        Whether ridges are tried at all.

    Raises
    ------
    numpy.linalg.LinAlgError
        The matrix is not positive definite.
    """

    def __init__(self, B: np.ndarray, where: Backend = NUMPY, patient: bool = True):
        self.where = where
        diagonal = np.abs(np.diagonal(B))
        size = float(np.mean(diagonal)) or 1.0
        small = float(np.min(diagonal)) or size
        ridges = sorted({0.0, 1e-14 * small, *(share * size for share in RIDGES)}) if patient else [0.0]
        for ridge in ridges:
            try:
                self.L = where.cholesky(where.put(B + ridge * np.eye(len(B)) if ridge else B))
                return
            except linalg.LinAlgError:
                continue
        raise linalg.LinAlgError("the Newton matrix is not positive definite")

    def solve(self, R: np.ndarray) -> np.ndarray:
        """Return B⁻¹ R for a matrix or vector R."""
        where = self.where
        columns = R if R.ndim == 2 else R[:, None]
        return where.get(where.solve(self.L, where.put(columns))).reshape(R.shape)
