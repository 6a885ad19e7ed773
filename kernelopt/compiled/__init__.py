"""The compiled part: loops over kernel entries, and sequential minimal optimisation.

It is built when kernelopt is installed where a C compiler is. Without it everything works all the same, over NumPy and
scikit-learn's libsvm, and more slowly; `core` is None then.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from types import ModuleType
from typing import Any

core: Any
try:
    if os.environ.get("KERNELOPT_NO_COMPILED"):
        raise ImportError("KERNELOPT_NO_COMPILED is set")
    from kernelopt.compiled import _core  # type: ignore[attr-defined]

    core = _core
    missing = ""
except ImportError as error:
    core, missing = None, str(error)


@cache
def say_once() -> ModuleType | None:
    """Return the compiled part; where it is missing, say so once and return None."""
    if core is None:
        warnings.warn(
            f"kernelopt's compiled part is not there ({missing}): scikit-learn's libsvm takes its place, three to ten "
            f"times slower. Install a C compiler and reinstall kernelopt, or take a wheel",
            RuntimeWarning,
            stacklevel=2,
        )
    return core
