"""The compiled loops: equal to NumPy's formulas, and deaf to arrays they were not made for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from kernelopt.compiled import core

pytestmark = pytest.mark.skipif(core is None, reason="the compiled part is not there")

M, N = 3, 37  # no multiple of the loops' widths
INDEX = np.dtype(np.int64)


def ints(*values):
    return np.array(values, dtype=np.int64)


def stack(dtype=float, n=N):
    A = np.random.default_rng(0).normal(size=(M, n, 4))
    return (A @ np.swapaxes(A, 1, 2)).astype(dtype)


def distances(dtype=float, rows=5, n=N):
    return np.random.default_rng(1).uniform(0, 9, (rows, n)).astype(dtype)


# --- equal to NumPy


@pytest.mark.parametrize("n", [1, 2, 31, 37, 600, 1100])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_loops_over_stored_kernels(n, dtype):
    """At lengths on both sides of blocks and lanes, for whole and for strided stacks."""
    rng, whole = np.random.default_rng(n), stack(dtype, n)
    wide = np.zeros((2 * M, n + 3, n + 5), dtype=dtype)
    wide[::2, :n, :n] = whole
    flipped = np.ascontiguousarray(whole[::-1])[::-1]
    rows = np.sort(rng.permutation(n)[: max(1, n // 3)])
    active, weight = ints(2, 0), rng.normal(size=2)
    V, s = rng.normal(size=(len(rows), 2)), np.zeros((2, n))
    s[:, rows] = V.T
    for Ks in (whole, wide[::2, :n, :n], flipped):
        exact = whole.astype(float)
        out = np.full((len(rows) + 1, n), 7.0)
        core.mix(Ks, active, weight, rows, np.arange(len(rows))[::-1] + 1, out)
        assert_allclose(out[:0:-1], np.tensordot(weight, exact[active][:, rows], 1), rtol=1e-12, atol=1e-10)
        assert np.all(out[0] == 7.0)
        products = np.ones((2, 2, n))
        core.products(Ks, active, rows, V, products)
        assert_allclose(products, 1 + np.einsum("ktn,tc->kcn", exact[active][:, rows], V), rtol=1e-11, atol=1e-10)
        forms = np.full(2, 7.0)
        core.quadratics(Ks, active, rows, s, forms)
        assert_allclose(forms, np.einsum("ci,kij,cj->k", s, exact[active], s), rtol=1e-10, atol=1e-9)
        columns = rng.integers(0, n, 9)
        part = np.zeros((M, len(rows), 9))
        core.gather(Ks, rows, columns, part)
        assert_array_equal(part, exact[:, rows][:, :, columns])


@pytest.mark.parametrize("n", [1, 31, 37, 600, 1100])
@pytest.mark.parametrize("dtype, rtol", [(np.float64, 1e-14), (np.float32, 3e-6)])
def test_loops_over_gaussians(n, dtype, rtol):
    rng = np.random.default_rng(n)
    D, gamma, weight = distances(dtype, min(5, n), n), np.array([0.01, 1.0, 30.0]), rng.uniform(0.1, 1, 3)
    Ks = np.exp(-gamma[:, None, None] * D.astype(float))
    out = np.ones_like(D)
    core.gaussian_mix(D, gamma, weight, out)
    assert_allclose(out, 1 + np.tensordot(weight, Ks, 1), rtol=10 * rtol)
    coef = rng.uniform(0.1, 1, (len(D), 2))
    products = np.zeros((3, 2, n))
    core.gaussian_products(D, gamma, coef, products)
    assert_allclose(products, np.einsum("ktn,tc->kcn", Ks, coef), rtol=100 * rtol, atol=1e-30)
    rows, s = np.arange(len(D)), rng.uniform(0.1, 1, (2, n))
    D[rows, rows] = 0
    s[:, len(D) :] = 0  # the rows hold all i with s[:, i] != 0
    square = D[:, : len(D)].astype(float)
    K = np.exp(-gamma[:, None, None] * np.triu(square, 1))
    forms = np.zeros(3)
    core.gaussian_quadratics(D, gamma, rows, s, forms)
    z, above = s[:, : len(D)], np.triu(np.ones_like(square), 1)
    expected = np.sum(z**2) + 2 * np.einsum("ci,kij,ij,cj->k", z, K, above, z)
    assert_allclose(forms, expected, rtol=100 * rtol)


@pytest.mark.parametrize("n", [1, 2, 31, 37, 600, 1100])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_squared_distances(n, dtype):
    """From a first point on, symmetric to the bit, and zero on the diagonal."""
    X = np.random.default_rng(n).normal(size=(3, n))
    exact = np.sum((X[:, :, None] - X[:, None, :]) ** 2, axis=0)
    whole = np.zeros((n, n), dtype=dtype)
    core.distances(X, np.arange(n), 0, whole)
    assert_allclose(whole, exact, rtol=1e-13 if dtype == np.float64 else 1e-6)
    assert_array_equal(whole, whole.T)
    assert not np.diagonal(whole).any()
    for first in {0, n // 3, n - 1, n}:
        part = np.full((2, n - first), 7.0, dtype=dtype)
        core.distances(X, ints(n - 1, 0), first, part)
        assert_array_equal(part, whole[[n - 1, 0], first:])


@pytest.mark.parametrize("first", [-1, N + 1, 2**62, -(2**62)])
def test_distances_from_no_point_are_refused(first):
    refused("distances", ValueError, "first must be between", first=first)


def test_far_points_have_kernel_zero_and_near_ones_one():
    D = np.array([[0.0, 1e-300, 800.0, 1e300]])
    out = np.zeros((1, 4))
    core.gaussian_mix(D, np.ones(1), np.ones(1), out)
    assert_array_equal(out, [[1.0, 1.0, 0.0, 0.0]])


# --- refusals


def calls():
    """A call of each function that works, argument by argument."""
    Ks, n = stack(), N
    return {
        "mix": dict(
            Ks=Ks, active=ints(0, 2), weight=np.ones(2), rows=ints(1, 5), slots=ints(0, 1), out=np.zeros((2, n))
        ),
        "products": dict(Ks=Ks, active=ints(0, 2), rows=ints(1, 5), coef=np.ones((2, 3)), out=np.zeros((2, 3, n))),
        "quadratics": dict(Ks=Ks, active=ints(0, 2), rows=ints(1, 5), s=np.ones((3, n)), out=np.zeros(2)),
        "gather": dict(Ks=Ks, rows=ints(1, 5), columns=ints(0, 3, 4), out=np.zeros((M, 2, 3))),
        "distances": dict(X=np.ones((3, n)), rows=ints(0, 4), first=2, out=np.zeros((2, n - 2))),
        "gaussian_mix": dict(D=distances(), gamma=np.ones(2), weight=np.ones(2), out=np.zeros((5, n))),
        "gaussian_products": dict(D=distances(), gamma=np.ones(2), coef=np.ones((5, 3)), out=np.zeros((2, 3, n))),
        "gaussian_quadratics": dict(
            D=distances(), gamma=np.ones(2), rows=np.arange(5), s=np.ones((3, n)), out=np.zeros(2)
        ),
        "smo": dict(
            s=np.zeros(n), g=-np.ones(n), lower=np.zeros(n), upper=np.ones(n), curvature=np.ones(n), d=np.ones(n),
            group=ints(*[0, 1] * n)[:n].copy(), n_groups=2, tube=0.0, cache=np.zeros((4, n)),
            slot=np.full(n, -1), used=0, stack=(Ks, ints(0, 2), np.ones(2)), tol=1e-3, max_iter=5,
            scratch=np.zeros((2, n)),
        ),
    }  # fmt: skip


ARRAYS = [(f, name) for f, call in calls().items() for name, value in call.items() if isinstance(value, np.ndarray)]
INDICES = [(f, name) for f, name in ARRAYS if calls()[f][name].dtype == INDEX]
WRITTEN = [(f, name) for f, name in ARRAYS if name in ("out", "s", "g", "cache", "slot", "scratch")
           and (f == "smo" or name == "out")]  # fmt: skip
FREE = [("mix", "active"), ("mix", "rows"), ("gather", "Ks")]  # what else is measured by


@pytest.mark.parametrize("f", calls())
def test_a_fitting_call_is_taken(f):
    getattr(core, f)(*calls()[f].values())


def refused(f, error, message=None, **changed):
    call = calls()[f]
    kept = {k: v.copy() for k, v in call.items() if isinstance(v, np.ndarray)}
    with pytest.raises(error, match=message):
        getattr(core, f)(*(call | changed).values())
    for name, value in kept.items():  # nothing was written before the refusal
        assert_array_equal(call[name], value)


@pytest.mark.parametrize("f, name", ARRAYS)
def test_other_types_are_refused(f, name):
    value = calls()[f][name]
    for dtype in (np.float16, np.int32, np.complex128, bool, ">f8", ">i8", np.uint64, object):
        refused(f, (TypeError, ValueError), **{name: value.astype(dtype)})
    swapped = float if value.dtype == INDEX else np.int64
    refused(f, TypeError, "entries of type", **{name: value.astype(swapped)})
    refused(f, TypeError, **{name: None if (f, name) not in (("smo", "d"), ("smo", "group")) else 1})


@pytest.mark.parametrize("f, name", ARRAYS)
def test_other_numbers_of_axes_are_refused(f, name):
    value = calls()[f][name]
    refused(f, ValueError, "axes", **{name: value[None]})
    refused(f, ValueError, "axes", **{name: value.ravel()[:1].reshape(()) if value.ndim == 1 else value[0].copy()})


ANY = {  # axes of any length: those that only indices must stay inside, and those summed over
    ("mix", "out", 0), ("mix", "Ks", 0), ("mix", "Ks", 1), ("products", "Ks", 0), ("products", "Ks", 1),
    ("quadratics", "Ks", 0), ("quadratics", "rows", 0), ("quadratics", "s", 0), ("gather", "Ks", 1),
    ("gather", "Ks", 2), ("distances", "X", 0), ("gaussian_quadratics", "s", 0), ("smo", "cache", 0),
}  # fmt: skip


@pytest.mark.parametrize("f, name", ARRAYS)
def test_other_shapes_are_refused(f, name):
    value = calls()[f][name]
    for axis in [axis for axis in range(value.ndim) if (f, name, axis) not in ANY]:
        longer = np.concatenate([value, np.take(value, [0], axis)], axis)
        shorter = np.ascontiguousarray(np.delete(value, 0, axis))
        for other in (longer, shorter):
            refused(f, (ValueError, IndexError), "length|outside", **{name: other})


@pytest.mark.parametrize("f, name", INDICES)
def test_indices_outside_are_refused(f, name):
    value = calls()[f][name]
    for wrong in (-2, -1, 10**6, 2**62, -(2**62)):
        if (f, name, wrong) == ("smo", "slot", -1):
            continue  # says that the row is not there
        spoiled = value.copy()
        spoiled[-1] = wrong
        refused(f, IndexError, f"{name} holds {wrong}, outside", **{name: spoiled})
    limit = {"Ks": M, "rows": N, "columns": N, "slots": 2, "active": M, "slot": 4, "group": 2}[name]
    spoiled = value.copy()
    spoiled[0] = limit
    refused(f, IndexError, f"holds {limit}, outside", **{name: spoiled})


@pytest.mark.parametrize("f, name", ARRAYS)
def test_gaps_in_memory_are_refused(f, name):
    """All must be contiguous but stacks, of which only the rows must."""
    value = calls()[f][name]
    gapped = np.zeros((*value.shape[:-1], 2 * value.shape[-1]), dtype=value.dtype)[..., ::2]
    gapped[...] = value
    refused(f, (ValueError, BufferError), "contiguous", **{name: gapped})


@pytest.mark.parametrize("f, name", WRITTEN)
def test_arrays_that_must_not_be_written_are_refused(f, name):
    value = calls()[f][name]
    value.flags.writeable = False
    refused(f, (ValueError, BufferError), "read-only|writ", **{name: value})


@pytest.mark.parametrize("f", ["mix", "products", "quadratics", "gather"])
def test_a_stack_off_the_grid_of_its_entries_is_refused(f):
    raw = np.zeros(M * N * N * 8 + 1, dtype=np.uint8)
    Ks = raw[1:].view(float).reshape(M, N, N)
    refused(f, ValueError, "aligned", Ks=Ks)


def test_a_stack_may_be_read_only():
    for f in ("mix", "products", "quadratics", "gather"):
        call = calls()[f]
        call["Ks"].flags.writeable = False
        getattr(core, f)(*call.values())


@pytest.mark.parametrize("f", ["gaussian_mix", "gather"])
def test_a_result_of_another_precision_is_refused(f):
    first = "D" if f == "gaussian_mix" else "Ks"
    single = calls()[f]["out"].astype(np.float32)
    refused(f, TypeError, out=single)
    if f == "gaussian_mix":
        refused(f, TypeError, D=calls()[f][first].astype(np.float32))


@pytest.mark.parametrize(
    "changed, error",
    [
        (dict(n_groups=0), ValueError),
        (dict(n_groups=3), ValueError),
        (dict(used=-1), ValueError),
        (dict(stack=(stack(),)), TypeError),
        (dict(stack=3), TypeError),
        (dict(stack=(stack()[:, :-1], ints(0), np.ones(1))), ValueError),
        (dict(stack=(stack()[:, :, :-1], ints(0), np.ones(1))), ValueError),
        (dict(stack=(stack(), ints(M), np.ones(1))), IndexError),
        (dict(stack=(stack(), ints(0), np.ones(2))), ValueError),
        (dict(tube="wide"), TypeError),
        (dict(max_iter=1.5), TypeError),
    ],
)
def test_smo_refuses(changed, error):
    refused("smo", error, **changed)


@pytest.mark.parametrize("f", calls())
def test_a_wrong_number_of_arguments_is_refused(f):
    values = list(calls()[f].values())
    for wrong in (values[:-1], [*values, 1], []):
        with pytest.raises(TypeError):
            getattr(core, f)(*wrong)


@pytest.mark.parametrize("spoiled", ["g", "s", "curvature", "cache"])
def test_numbers_that_are_none_end_the_descent(spoiled):
    """NaN must not send a loop beyond its array; what comes out is of no use, and is not asked here."""
    call = calls()["smo"] | {"group": None, "slot": np.zeros(N, dtype=np.int64)}
    call[spoiled][...] = np.nan
    core.smo(*call.values())
