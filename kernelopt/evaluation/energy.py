"""Energy from the processor's own counters (RAPL), where the system lets them be read."""

from __future__ import annotations

from pathlib import Path

COUNTERS = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules that all processor packages of this machine took since the meter was made.

    The counters know packages, not processes: what else ran meanwhile is in the figure. They are Intel's and AMD's
    "running average power limit", read through Linux's powercap; most systems let only the administrator read them, and
    virtual machines rarely have them.

    Parameters
    ----------
    root : path
        The powercap folder.

    Notes
    -----
    A counter that has gone round once is corrected for; the largest value takes minutes at full load, so that a second
    time round within one reading is missed only in runs of an hour or so. Call `joules` more often there.

    Examples
    --------
    >>> joules = EnergyMeter().joules()
    >>> joules is None or joules >= 0
    True
    """

    def __init__(self, root: Path = COUNTERS):
        self._root = root
        self._total = 0.0
        self._last = self._read()

    def joules(self) -> float | None:
        """Return the energy since the meter was made; None where it cannot be read, and nothing is guessed."""
        now = self._read()
        if self._last is None or now is None or now.keys() != self._last.keys():
            return None
        for name, (value, span) in now.items():
            self._total += (value - self._last[name][0]) % (span + 1)
        self._last = now
        return self._total / 1e6

    def _read(self) -> dict[str, tuple[int, int]] | None:
        """Return each package's counter and its largest value, in microjoules."""
        found = {}
        try:
            for folder in sorted(self._root.glob("*-rapl:*")):
                # Subzones (cores, memory, ...) are parts of packages or overlap them.
                if folder.name.count(":") == 1 and (folder / "name").read_text().startswith("package"):
                    span = int((folder / "max_energy_range_uj").read_text())
                    found[folder.name] = (int((folder / "energy_uj").read_text()), span)
        except (OSError, ValueError):
            return None
        return found or None
