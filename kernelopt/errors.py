"""The errors and warnings that are kernelopt's own."""


class NotPSDError(ValueError):
    """A matrix that must be a kernel's Gram matrix is not symmetric positive semidefinite."""


class SolverError(RuntimeError):
    """A solver stopped without a usable point."""


class ProblemTooLargeError(MemoryError):
    """A program would need more memory than allowed; raised before it is built."""


class MissingExtraError(ImportError):
    """A part of kernelopt needs an optional dependency that is not installed."""


def missing_extra(what: str, extra: str) -> MissingExtraError:
    """Return the error that names the extra which brings `what`."""
    return MissingExtraError(f"{what} is not installed. Install it with: pip install 'kernelopt[{extra}]'")
