"""The errors and warnings that are kernelopt's own."""


class NotPSDError(ValueError):
    """A matrix that must be a kernel's Gram matrix is not symmetric positive semidefinite."""


class SolverError(RuntimeError):
    """A solver stopped without a usable point."""


class UnboundedError(SolverError):
    """A criterion is unbounded on the data, such as a hard margin where nothing separates the classes.

    Parameters
    ----------
    message : str
        What is unbounded, and what to do.
    ray : array of shape (n, k)
        The direction of dual variables that shows it.
    bound : float
        What is proven: the optimum is at least this.
    """

    def __init__(self, message: str, ray=None, bound: float = float("inf")):
        super().__init__(message)
        self.ray, self.bound = ray, bound


class ProblemTooLargeError(MemoryError):
    """A program would need more memory than allowed; raised before it is built."""


class MissingExtraError(ImportError):
    """A part of kernelopt needs an optional dependency that is not installed."""


def missing_extra(what: str, extra: str) -> MissingExtraError:
    """Return the error that names the extra which brings `what`."""
    return MissingExtraError(f"{what} is not installed. Install it with: pip install 'kernelopt[{extra}]'")
