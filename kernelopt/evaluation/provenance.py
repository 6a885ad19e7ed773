"""What a record must remember of how it was made: versions, machine, commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path

PACKAGES = ("kernelopt", "numpy", "scipy", "scikit-learn", "cvxpy", "torch")


@cache
def provenance() -> dict[str, str]:
    """Return versions, processor, operating system and the commit of the source, as text."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    found["machine"] = f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    found["commit"] = _commit()
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


def _commit() -> str:
    """Return the commit of the source tree, marked when files differ from it; "released" for an installed wheel."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return "released"
    try:
        run = lambda *words: subprocess.run(  # noqa: E731
            ["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        return run("rev-parse", "--short=12", "HEAD") + (
            " with uncommitted changes" if run("status", "--porcelain") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def reset_peak_memory() -> None:
    """Begin a new measurement of this process's peak memory, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def peak_memory_mb() -> float | None:
    """Return the peak resident memory since the reset, in MB; None where it cannot be read."""
    if sys.platform != "linux":
        return None
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return None
