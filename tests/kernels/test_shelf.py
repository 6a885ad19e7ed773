"""Shared Gram matrices: the same bits, computed once, and nothing shared that is not the same."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.gaussian_process.kernels import RBF
from sklearn.metrics.pairwise import rbf_kernel

from kernelopt.evaluation import Store, Study, run
from kernelopt.evaluation.cell import run_cell
from kernelopt.evaluation.plan import make_plan
from kernelopt.evaluation.shelves import PREFIX, Shelves
from kernelopt.evaluation.study import Cell
from kernelopt.kernels import Gaussian, KernelStack, Linear, Polynomial, stack, white
from kernelopt.kernels.shelf import PREFIX as OF_A_CELL
from kernelopt.kernels.shelf import content, current_shelf, sharing

X = np.random.default_rng(0).normal(size=(30, 4))
KERNELS = [Linear(), Gaussian(0.5), Gaussian(0.25), Polynomial(2, 1.0), 2 * Linear() + Gaussian(1.0), "rbf", white()]


@pytest.fixture
def evaluations(monkeypatch):
    """Count kernels evaluated and distances computed."""
    count = []
    for name in ("evaluate", "euclidean_distances"):
        real = getattr(stack, name)
        monkeypatch.setattr(stack, name, lambda *a, real=real, **k: count.append(1) or real(*a, **k))
    return count


def test_shared_matrices_are_the_same_bits_and_are_computed_once(tmp_path, evaluations):
    plain = KernelStack.from_kernels(KERNELS, X).leading
    alone = len(evaluations)
    with sharing(tmp_path):
        first = KernelStack.from_kernels(KERNELS, X).leading
        assert len(evaluations) == 2 * alone
        again = KernelStack.from_kernels(KERNELS[::-1], X.copy()).leading[::-1]
    assert len(evaluations) == 2 * alone + 1  # white depends on which object X is, and is never shared
    with sharing(tmp_path):  # another process would see the same
        third = KernelStack.from_kernels(KERNELS[:-1], X).leading
    assert len(evaluations) == 2 * alone + 1
    for found in (first, again):
        np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(third, plain[:-1])
    assert current_shelf() is None


@pytest.mark.parametrize("other", [X[:29], X + 1e-12, X.astype(np.float32), np.asfortranarray(X)])
def test_other_points_have_other_matrices(tmp_path, other, evaluations):
    with sharing(tmp_path):
        KernelStack.from_kernels([Linear()], X)
        KernelStack.from_kernels([Linear()], other)
    assert len(evaluations) == 2


def test_kernels_are_told_apart_by_content_and_unknown_ones_are_not_shared():
    known = [content(k) for k in (*KERNELS[:5], rbf_kernel, Gaussian(0.5 + 1e-16), Gaussian(0.5000000000000001))]
    assert None not in known and len(set(known)) == len(known) - 1
    assert content(lambda X, Z: X @ Z.T) is content(RBF(1.0)) is content(Linear() + (lambda X, Z: X @ Z.T)) is None


def test_between_new_points_nothing_is_shared(tmp_path):
    with sharing(tmp_path) as shelf:
        KernelStack.from_kernels([Linear()], X, X[:3])
        assert not list(shelf.folder.iterdir())


def test_a_full_shelf_or_a_torn_file_only_costs_time(tmp_path, evaluations):
    with sharing(tmp_path) as shelf:
        shelf.most_mb = 0.008  # one matrix takes 7328 bytes
        KernelStack.from_kernels([Linear(), Polynomial(2, 1.0)], X)
        (kept,) = tmp_path.iterdir()
        kept.write_bytes(b"torn")
        found = KernelStack.from_kernels([Linear()], X).leading
    np.testing.assert_array_equal(found, KernelStack.from_kernels([Linear()], X).leading)


STUDY = """
seeds = 1
[[data]]
name = "sonar"
[[methods]]
name = "uniform-kernel"
[[methods]]
name = "learned-kernel"
"""


def test_cells_of_a_split_share_and_say_the_same_as_without(tmp_path, evaluations):
    jobs = list(make_plan(Study.from_toml(STUDY)).jobs.values())
    alone = [run_cell(job) for job in jobs]
    cost = len(evaluations)
    shared = [run_cell(replace(job, shelf=str(tmp_path))) for job in jobs]
    for a, b in zip(alone, shared, strict=True):
        assert a.status == "ok"
        assert {**a.to_dict(), "cost": 0, "provenance": 0} == {**b.to_dict(), "cost": 0, "provenance": 0}
    assert len(evaluations) - cost < cost


def test_a_run_leaves_no_folder_behind_and_sweeps_what_a_killed_one_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left, cell, alive = (tmp_path / name for name in (f"{PREFIX}4194305-x", f"{OF_A_CELL}4194305-x", f"{PREFIX}1-x"))
    for folder in (left, cell, alive):
        folder.mkdir()
    run(Study.from_toml(STUDY), Store(tmp_path / "r.sqlite"), n_jobs=1, progress=lambda line: None)
    assert not left.exists() and not cell.exists() and [p.name for p in tmp_path.glob(f"{PREFIX}*")] == [alive.name]


def test_a_folder_goes_with_the_last_cell_of_its_split():
    cells = [Cell("d", method, 10, seed) for seed in (0, 1) for method in "ab"]
    shelves = Shelves(cells)
    try:
        one, two = shelves.folder(cells[0]), shelves.folder(cells[2])
        assert one == shelves.folder(cells[1]) != two
        for cell in cells[:2]:
            shelves.finish(cell)
        assert list(map(str, shelves.root.iterdir())) == [str(two)]
    finally:
        shelves.close()
    assert not shelves.root.exists()
