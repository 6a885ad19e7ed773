"""The energy meter on counters that are written here."""

from __future__ import annotations

import pytest

from kernelopt.evaluation.energy import EnergyMeter


def zone(root, name, label, value, span=1000):
    folder = root / name
    folder.mkdir(exist_ok=True)
    (folder / "name").write_text(f"{label}\n")
    (folder / "energy_uj").write_text(f"{value}\n")
    (folder / "max_energy_range_uj").write_text(f"{span}\n")


def test_packages_are_added_and_their_parts_are_not(tmp_path):
    zone(tmp_path, "intel-rapl:0", "package-0", 100)
    zone(tmp_path, "intel-rapl:1", "package-1", 900)
    zone(tmp_path, "intel-rapl:0:0", "core", 50)
    zone(tmp_path, "intel-rapl:2", "psys", 0)
    meter = EnergyMeter(tmp_path)
    zone(tmp_path, "intel-rapl:0", "package-0", 350)
    zone(tmp_path, "intel-rapl:1", "package-1", 49)  # went round: 100 to its largest value, 1 to zero, 49
    zone(tmp_path, "intel-rapl:0:0", "core", 70)
    zone(tmp_path, "intel-rapl:2", "psys", 400)
    assert meter.joules() == pytest.approx((250 + 150) / 1e6)
    zone(tmp_path, "intel-rapl:0", "package-0", 360)
    assert meter.joules() == pytest.approx((260 + 150) / 1e6)


def test_what_cannot_be_read_is_none(tmp_path):
    assert EnergyMeter(tmp_path / "nowhere").joules() is None
    zone(tmp_path, "intel-rapl:0", "package-0", 100)
    meter = EnergyMeter(tmp_path)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert meter.joules() is None
    zone(tmp_path, "intel-rapl:0", "package-0", "")
    assert EnergyMeter(tmp_path).joules() is None
