"""One backend for dense linear algebra: torch gives NumPy's numbers, and says which devices there are."""

import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg

from kernelopt.backend import Factor, backend

torch = pytest.importorskip("torch")
DEVICES = [None, "cpu", pytest.param("cuda", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES, ids=str)
def where(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    return backend(request.param)


@pytest.fixture
def matrix():
    G = np.random.default_rng(0).normal(size=(12, 20))
    return G @ G.T


def test_factors_and_what_is_made_of_them(where, matrix):
    L = where.cholesky(where.put(matrix))
    assert_allclose(where.get(L) @ where.get(L).T, matrix, atol=1e-11)
    right = np.random.default_rng(1).normal(size=(12, 3))
    assert_allclose(matrix @ where.get(where.solve(L, where.put(right))), right, atol=1e-11)
    assert_allclose(where.get(where.inverse(L)) @ where.get(L), np.eye(12), atol=1e-11)
    values = np.linalg.eigvalsh(matrix)
    assert_allclose(where.smallest(where.put(matrix)), values[0], rtol=1e-9)
    found, vectors = where.eigh(where.put(matrix), 3)
    assert_allclose(found, values[:3], rtol=1e-9)
    assert_allclose(matrix @ where.get(vectors), where.get(vectors) * found, atol=1e-10)
    assert where.eigh(where.put(matrix))[0].shape == (12,)
    with pytest.raises(linalg.LinAlgError):
        where.cholesky(where.put(matrix - 2 * values[0] * np.eye(12)))


def test_products_between_triangles(where, matrix):
    rng = np.random.default_rng(2)
    L, S = np.tril(rng.normal(size=(12, 12))), np.tril(rng.normal(size=(12, 12)))
    As = np.stack([matrix, np.eye(12)])
    out = where.empty(2, 12, 12)
    # As where a Cholesky factor comes from: lower triangles in column order.
    where.between(where.put(np.asfortranarray(L)), where.put(As), where.put(np.asfortranarray(S)), out)
    assert_allclose(where.get(out), np.stack([(L @ A @ S).T for A in As]), atol=1e-11)


def test_a_factor_takes_a_ridge_only_where_it_must(where, matrix):
    factor = Factor(matrix, where)
    vector = np.arange(12.0)
    assert_allclose(matrix @ factor.solve(vector), vector, atol=1e-10)
    assert factor.solve(np.eye(12)[:, :2]).shape == (12, 2)
    singular = np.outer(vector + 1, vector + 1)
    assert_allclose(singular @ Factor(singular, where).solve(vector + 1), vector + 1, rtol=1e-6)
    for patient in (False, True):
        with pytest.raises(linalg.LinAlgError, match="not positive definite"):
            Factor(singular - np.eye(12), where, patient)


def test_a_device_that_is_not_here_names_those_that_are():
    with pytest.raises(ValueError, match=r"device 'cuda:99' is not here: torch .* finds 'cpu'.*or None for NumPy"):
        backend("cuda:99")
    with pytest.raises(ValueError, match="device 'tpu' is not here"):
        backend("tpu")


def test_numpy_does_without_torch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from kernelopt.backend import backend\n"
        "assert backend().name == 'numpy'\n"
        "try: backend('cpu')\n"
        "except ImportError as error: print(error)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "torch is not installed" in out and "kernelopt[conv]" in out
