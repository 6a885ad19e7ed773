"""The contract of row providers: whoever keeps the entries, the numbers are those of the dense matrices."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import EfficiencyWarning

from kernelopt.kernels import Gaussian, KernelStack, Linear, OnColumns, Polynomial, on_the_fly, rows
from kernelopt.kernels.lowrank import LowRankKernels
from kernelopt.kernels.on_the_fly import OnTheFly
from kernelopt.kernels.rows import StoredKernels
from kernelopt.kernels.tessellated import TessellatedKernels, Tessellation

N = 37
KERNELS = [Linear(), Gaussian(0.3), Polynomial(2, 0.3), OnColumns(Gaussian(1.0), (0, 2)), Gaussian(2.0)]
GAUSSIANS = [Gaussian(0.3), OnColumns(Gaussian(1.0), (0, 2)), Gaussian(2.0)]
SCALE = np.array([2.0, 0.5, np.inf, 1.0, 1e3])
X = np.random.default_rng(0).normal(size=(N, 3))
KS = KernelStack.from_kernels(KERNELS, X).leading


def torch_kernels(*args, **options):
    pytest.importorskip("torch", reason="torch is not installed")
    from kernelopt.kernels.torch_rows import TorchKernels

    return TorchKernels.of(*args, **options)


def memory_map(folder, dtype):
    np.save(folder / "Ks.npy", KS.astype(dtype))
    return np.load(folder / "Ks.npy", mmap_mode="r")


def strided():
    wide = np.full((10, N + 5, 2 * N), np.nan)
    view = wide[::2, 5:, 3 : N + 3]
    view[...] = KS
    return view


def low_rank(kernels):
    return kernels, np.stack([L @ L.T for L in kernels.factors])


def tessellated():
    kernels = TessellatedKernels(Tessellation.around(X[:20]), X)
    return kernels, np.stack([kernels.matrix(np.outer(e, e)) for e in np.eye(8)])


def of(make, Ks=KS, scale=None):
    return make, Ks if scale is None else Ks / scale[:, None, None]


SINGLE = KS.astype(np.float32).astype(float)  # the entries that single precision keeps; sums over them are double
# name -> the provider and its matrices, made of a folder for files. A new provider is entered here, and nowhere else.
PROVIDERS = {
    "float64": lambda _: of(StoredKernels.of(KS)),
    "float64 with divisors": lambda _: of(StoredKernels.of(KS, SCALE), scale=SCALE),
    "float32": lambda _: of(StoredKernels.of(KS.astype(np.float32)), SINGLE),
    "float32 with divisors": lambda _: of(StoredKernels.of(KS.astype(np.float32), SCALE), SINGLE, SCALE),
    "two threads": lambda _: of(replace(StoredKernels.of(KS, SCALE), threads=2), scale=SCALE),
    "more threads than kernels": lambda _: of(replace(StoredKernels.of(KS), threads=9)),
    "read-only memory map": lambda folder: of(StoredKernels.of(memory_map(folder, np.float64))),
    "read-only memory map of float32": lambda folder: of(StoredKernels.of(memory_map(folder, np.float32)), SINGLE),
    "strided view": lambda _: of(StoredKernels.of(strided())),
    "negative strides": lambda _: of(StoredKernels.of(KS[::-1, ::-1].copy()[::-1, ::-1])),
    "entry by entry": lambda _: of(StoredKernels.of(np.moveaxis(np.moveaxis(KS, 0, -1).copy(), -1, 0))),
    "other byte order": lambda _: of(StoredKernels.of(KS.astype(">f8"))),
    "integers": lambda _: of(StoredKernels.of(np.rint(10 * KS).astype(int)), np.rint(10 * KS)),
    "pivoted Cholesky": lambda _: low_rank(LowRankKernels.pivoted_cholesky(KERNELS, X, tol=1e-3)),
    "pivoted Cholesky with divisors": lambda _: low_rank(LowRankKernels.pivoted_cholesky(KERNELS, X).divided(SCALE)),
    "Nystroem": lambda _: low_rank(LowRankKernels.nystroem(KERNELS, X, rank=8)),
    "random features": lambda _: low_rank(LowRankKernels.random_features(GAUSSIANS, X, rank=6)),
    "a factor without columns": lambda _: low_rank(LowRankKernels((np.zeros((N, 0)), X, X[:, :1]))),
    "torch on the processor": lambda _: of(torch_kernels(KS, "cpu", scale=SCALE), scale=SCALE),
    "torch in float32": lambda _: of(torch_kernels(KS, "cpu", "float32", SCALE), SINGLE, SCALE),
    "tessellated": lambda _: tessellated(),
    "on the fly": lambda _: of(OnTheFly.of(KERNELS, X, SCALE), scale=SCALE),
    "on the fly, two threads": lambda _: of(OnTheFly.of(KERNELS, X, threads=2)),
}
STORED = [
    name for name in PROVIDERS if name.split()[0] in ("float64", "float32", "two", "more", "read-only", "strided")
]
TORCH = [name for name in PROVIDERS if name.startswith("torch")]
LOW = ["pivoted Cholesky", "Nystroem", "random features"]


@pytest.fixture(params=["compiled", "numpy"])
def path(request, monkeypatch):
    """Both ways of doing it, where there are two."""
    if request.param == "numpy":
        for module in (rows, on_the_fly):
            monkeypatch.setattr(module, "core", None)
    elif rows.core is None:
        pytest.skip("the compiled part is not built")


@pytest.fixture(params=PROVIDERS)
def provider(request, tmp_path, path):
    return PROVIDERS[request.param](tmp_path)


def close(found, expected):
    """Agreement to the rounding of double precision sums over these entries."""
    expected = np.asarray(expected)
    assert found.dtype == np.float64 and found.shape == expected.shape
    assert_allclose(found, expected, rtol=0, atol=1e-12 * max(float(np.abs(expected).max(initial=0.0)), 1e-3))


def weights(M, seed=0):
    mu = np.random.default_rng(seed).uniform(size=M)
    mu[1] = 0.0
    return mu


def coefficients(seed=0, columns=3):
    V = np.random.default_rng(seed).normal(size=(N, columns))
    V[::3] = 0.0
    V[1, 0] = 0.0  # a row that is zero in part
    return V


def test_what_it_says_of_itself(provider):
    kernels, Ks = provider
    assert (kernels.n_kernels, kernels.n_samples) == Ks.shape[:2]
    assert kernels.dtype in (np.float64, np.float32)
    assert kernels.description.startswith(f"{len(Ks)} kernels, {N} samples, ")


@pytest.mark.parametrize("index", [np.arange(N), np.array([5, 3, 3, 36]), np.array([], dtype=int)], ids=len)
def test_rows(provider, index):
    kernels, Ks = provider
    mu = weights(len(Ks))
    K = np.tensordot(mu, Ks, 1)
    close(kernels.rows(mu, index), K[index])
    close(kernels.rows(np.zeros(len(Ks)), index), np.zeros((len(index), N)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_go_where_they_are_wanted(provider, dtype):
    kernels, Ks = provider
    mu, index, slots = weights(len(Ks)), np.array([7, 0, 21]), np.array([4, 6, 1])
    table = np.full((8, N), np.nan, dtype=dtype)
    assert kernels.rows(mu, index, table, slots) is table
    K = np.tensordot(mu, Ks, 1)
    assert_allclose(table[slots], K[index], rtol=0, atol=10 * np.finfo(dtype).eps * np.abs(K).max())
    assert np.isnan(np.delete(table, slots, axis=0)).all()


def test_mix(provider):
    kernels, Ks = provider
    mu = weights(len(Ks), 1)
    close(kernels.mix(mu), np.tensordot(mu, Ks, 1))


WHICH = [None, np.array([2, 0]), np.array([1]), np.array([], dtype=int)]  # each kernel once at most


@pytest.mark.parametrize(
    "V", [coefficients(), coefficients(1, 1), np.asfortranarray(coefficients(2)), np.zeros((N, 2))]
)
@pytest.mark.parametrize("which", WHICH, ids=["all", "some", "one", "none"])
def test_products_and_quadratics(provider, V, which):
    kernels, Ks = provider
    chosen = Ks if which is None else Ks[which]
    close(kernels.products(V, which), chosen @ V)
    close(kernels.quadratics(V, which), [0.5 * np.trace(V.T @ K @ V) for K in chosen])


@pytest.mark.parametrize("seed", range(3))
def test_apply(provider, seed):
    kernels, Ks = provider
    V, mu = coefficients(seed), weights(len(Ks), seed)
    close(kernels.apply(mu, V), np.tensordot(mu, Ks, 1) @ V)
    close(kernels.apply(np.zeros(len(Ks)), V), np.zeros(V.shape))


def test_diagonals_traces_and_inner_products(provider):
    kernels, Ks = provider
    close(kernels.diagonals, np.einsum("kii->ki", Ks))
    close(kernels.traces, np.einsum("kii->k", Ks))
    Z = np.random.default_rng(3).normal(size=(N, N))
    Z = Z + Z.T
    close(kernels.inner(Z), np.einsum("kij,ij->k", Ks, Z))


def test_orthonormal(provider):
    kernels, Ks = provider
    axes = kernels.orthonormal
    flat = Ks.reshape(len(Ks), -1)
    assert axes.shape[1] == np.linalg.matrix_rank(flat)
    close(axes.T @ flat @ flat.T @ axes, np.eye(axes.shape[1]))


@pytest.mark.parametrize("index", [np.array([4, 1, 30, 8]), np.arange(N)], ids=len)
def test_take(provider, index):
    kernels, Ks = provider
    small, Ks = kernels.take(index), Ks[:, index][:, :, index]
    mu = weights(len(Ks))
    V = np.random.default_rng(0).normal(size=(len(index), 2))
    assert small.n_samples == len(index)
    close(small.mix(mu), np.tensordot(mu, Ks, 1))
    close(small.products(V), Ks @ V)
    close(small.diagonals, np.einsum("kii->ki", Ks))


@pytest.mark.parametrize("which", [np.array([2, 0]), np.array([1])], ids=len)
def test_select(provider, which):
    kernels, Ks = provider
    some, Ks = kernels.select(which), Ks[which]
    assert some.n_kernels == len(Ks)
    close(some.products(coefficients()), Ks @ coefficients())
    close(some.mix(np.arange(1.0, len(Ks) + 1)), np.tensordot(np.arange(1.0, len(Ks) + 1), Ks, 1))
    close(some.diagonals, np.einsum("kii->ki", Ks))


@pytest.mark.parametrize("name", [*STORED, *TORCH, *LOW])
def test_indices_may_lie_anyhow_in_memory(name, tmp_path, path):
    kernels, Ks = PROVIDERS[name](tmp_path)
    index, which = np.arange(N)[::-2], np.arange(3)[::-1]
    close(kernels.rows(np.ones(len(Ks)), index), Ks.sum(axis=0)[index])
    close(kernels.take(index).mix(np.ones(len(Ks))), Ks.sum(axis=0)[np.ix_(index, index)])
    close(kernels.products(coefficients(), which), Ks[which] @ coefficients())
    close(kernels.quadratics(coefficients(), which), kernels.quadratics(coefficients())[which])


# ---- what is not asked for is not read -------------------------------------------------------------------------------


def poisoned(name, folder, rows=None, kernels=None):
    """The provider of the name, with NaN in some rows of its entries, or in some kernels."""
    provider, Ks = PROVIDERS[name](folder)
    where = (slice(None) if kernels is None else kernels, slice(None) if rows is None else rows)
    if name in LOW:
        for k in np.arange(len(Ks))[where[0]]:
            provider.factors[k][where[1]] = np.nan
    elif name in TORCH:
        provider.Ks[where] = float("nan")
    else:
        stack = np.array(provider.Ks)
        stack[where] = np.nan
        provider = replace(provider, Ks=stack)
    return provider, Ks


@pytest.mark.parametrize("name", [*STORED, *TORCH])
def test_rows_where_the_coefficients_vanish_are_not_read(name, tmp_path, path):
    V = coefficients()
    kernels, Ks = poisoned(name, tmp_path, rows=~np.any(V, axis=1))
    close(kernels.products(V), Ks @ V)
    close(kernels.quadratics(V), 0.5 * np.einsum("ic,kij,jc->k", V, Ks, V))
    close(kernels.apply(weights(len(Ks)), V), np.tensordot(weights(len(Ks)), Ks, 1) @ V)


@pytest.mark.parametrize("name", LOW)
def test_factors_where_the_coefficients_vanish_are_not_read(name, tmp_path):
    V = coefficients()
    silent = ~np.any(V, axis=1)
    kernels, Ks = poisoned(name, tmp_path, rows=silent)
    close(kernels.quadratics(V), 0.5 * np.einsum("ic,kij,jc->k", V, Ks, V))
    close(kernels.products(V)[:, ~silent], (Ks @ V)[:, ~silent])  # the others are the poisoned points' own values


@pytest.mark.parametrize("name", [*STORED, *TORCH, *LOW])
def test_kernels_without_weight_are_not_read(name, tmp_path, path):
    kernels, Ks = poisoned(name, tmp_path, kernels=np.array([1]))
    mu, which = weights(len(Ks)), np.array([0, 2])
    K = np.tensordot(mu, Ks, 1)
    close(kernels.rows(mu, np.array([3, 9])), K[[3, 9]])
    close(kernels.mix(mu), K)
    close(kernels.apply(mu, coefficients()), K @ coefficients())
    close(kernels.products(coefficients(), which), Ks[which] @ coefficients())
    assert np.isfinite(kernels.quadratics(coefficients(), which)).all()


# ---- what is particular to stored ones -------------------------------------------------------------------------------


@pytest.mark.skipif(rows.core is None, reason="the compiled part is not built")
@pytest.mark.parametrize("name", STORED)
def test_threads_and_paths_give_the_same_numbers(name, tmp_path, monkeypatch):
    kernels, Ks = PROVIDERS[name](tmp_path)
    one, two = replace(kernels, threads=1), replace(kernels, threads=2)
    V, mu, index = coefficients(), weights(len(Ks)), np.arange(0, N, 2)

    def answers(k):
        return [k.rows(mu, index), k.products(V), k.quadratics(V), k.take(index).Ks]

    first = answers(one)
    for a, b in zip(first, answers(two), strict=True):
        assert_array_equal(a, b)
    monkeypatch.setattr(rows, "core", None)
    for a, b in zip(first, answers(one), strict=True):
        assert_allclose(a, b, rtol=0, atol=1e-13 * np.abs(a).max())


def test_sums_of_single_precision_entries_are_double(path):
    """1 + 2^-20 k with cancelling signs: in single precision the sums would be off in the third digit."""
    n = 1001
    K = np.full((n, n), 1 + 2.0**-20, dtype=np.float32)
    V = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)[:, None] * (1 + 1e-9)
    kernels = StoredKernels.of(np.stack([K, K]))
    expected = (1 + 2.0**-20) * (1 + 1e-9)
    assert_allclose(kernels.products(V), expected, rtol=1e-12)
    assert_allclose(kernels.rows(np.array([1e8, 1.0]), np.array([0])), (1e8 + 1) * (1 + 2.0**-20), rtol=1e-15)


def test_nothing_is_copied_that_lies_well(tmp_path):
    for Ks in (KS, KS.astype(np.float32), strided(), memory_map(tmp_path, np.float32)):
        assert np.shares_memory(StoredKernels.of(Ks).Ks, Ks)


def test_another_memory_order_is_copied_with_a_word_or_refused(monkeypatch):
    trailing = np.moveaxis(np.moveaxis(KS, 0, -1).copy(), -1, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert StoredKernels.of(trailing).Ks.flags.c_contiguous  # too small for a word
    monkeypatch.setattr(rows, "NOTICED", KS.nbytes - 1)
    with pytest.warns(EfficiencyWarning, match=r"are copied, .* KernelStack.from_leading\(Ks\)"):
        kernels = StoredKernels.of(trailing)
    assert_array_equal(kernels.Ks, KS)
    monkeypatch.setattr(rows, "REFUSED", KS.nbytes - 1)
    with pytest.raises(ValueError, match=r"store them kernel by kernel, as an array Ks of shape \(M, n, n\)"):
        StoredKernels.of(trailing)
    assert StoredKernels.of(KS).n_kernels == len(KS)  # of the right order there is no limit
