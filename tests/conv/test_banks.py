import subprocess
import sys

import numpy as np
import pytest

from kernelopt.conv.banks import BANKS, make_bank
from kernelopt.conv.patch_banks import N_PATCHES, draw_patches


@pytest.fixture(scope="module")
def images():
    """Smooth random textures with three channels."""
    noise = np.random.default_rng(0).normal(size=(30, 3, 14, 14))
    return noise.cumsum(axis=2).cumsum(axis=3)


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_shape_norm_and_mean_are_as_documented(bank, kernel_size, images):
    W = make_bank(bank, 6, kernel_size, 3, images, random_state=0)
    assert W.shape == (6, 3, kernel_size, kernel_size) and W.dtype == np.float64
    flat = W.reshape(6, -1)
    if bank != "random":
        np.testing.assert_allclose(np.linalg.norm(flat, axis=1), 1, atol=1e-12)
    if bank in ("sobel", "gabor", "kmeans"):
        np.testing.assert_allclose(flat.mean(axis=1), 0, atol=1e-12)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2) + 9 * np.eye(6)
    assert distances.min() > 1e-3, "two filters of a bank are equal"


@pytest.mark.parametrize("bank", BANKS)
def test_a_bank_is_a_function_of_its_seed(bank, images):
    first, again, other = (make_bank(bank, 6, 3, 3, images, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    if bank in ("random", "kmeans"):  # patch_pca sees all patches of these images, whatever the seed
        assert not np.allclose(first, other)


def test_sobel_has_the_classical_values_and_directions():
    W = make_bank("sobel", 4, 3)[:, 0] * np.sqrt(12)
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    for filter_, expected in zip(W, (across, across.T, -across, -across.T), strict=True):
        np.testing.assert_allclose(filter_, expected, atol=1e-12)


@pytest.mark.parametrize("kernel_size", [5, 7])
def test_gabor_answers_most_to_a_wave_of_its_own_orientation(kernel_size):
    W = make_bank("gabor", 8, kernel_size)[:, 0]
    v, u = np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2
    angles = np.pi * np.arange(4) / 4
    waves = [np.exp(2j * np.pi * (u * np.cos(a) + v * np.sin(a)) / kernel_size) for a in angles]
    answers = np.abs(np.array([[np.sum(f * wave) for wave in waves] for f in W]))
    np.testing.assert_array_equal(answers.argmax(axis=1), [0, 1, 2, 3, 0, 1, 2, 3])
    np.testing.assert_allclose(W[:4], -W[:4, ::-1, ::-1], atol=1e-12)  # edges are odd
    np.testing.assert_allclose(W[4:], W[4:, ::-1, ::-1], atol=1e-12)  # lines are even


def test_cosines_are_orthonormal_and_sorted_by_frequency():
    W = make_bank("dct", 25, 5).reshape(25, 25)
    np.testing.assert_allclose(W @ W.T, np.eye(25), atol=1e-12)
    np.testing.assert_allclose(W[0], 0.2)
    sign_changes = [(np.diff(np.sign(f.reshape(5, 5)), axis=0) != 0).sum() for f in W[1:3]]
    assert sign_changes[0] == 0 < sign_changes[1], "the second filter varies along a row, the third along a column"


def test_random_filters_have_he_variance():
    W = make_bank("random", 400, 5, 3, random_state=0)
    assert W.var() == pytest.approx(2 / 75, rel=0.02)


def test_patch_pca_gives_the_leading_eigenvectors_of_the_patch_covariance(images):
    W = make_bank("patch_pca", 6, 3, 3, images, random_state=0).reshape(6, -1)
    patches = draw_patches("patch_pca", images, 3, 3, np.random.default_rng(0))
    covariance = np.cov(patches, rowvar=False)
    energy = np.einsum("fi,ij,fj->f", W, covariance, W)
    np.testing.assert_allclose(covariance @ W.T, W.T * energy, atol=1e-8 * energy[0])
    np.testing.assert_allclose(energy, np.linalg.eigvalsh(covariance)[::-1][:6])


def test_patch_pca_of_a_single_patch_is_finite():
    W = make_bank("patch_pca", 4, 3, images=np.arange(9.0).reshape(1, 1, 3, 3)).reshape(4, 9)
    np.testing.assert_allclose(W @ W.T, np.eye(4), atol=1e-12)


def test_kmeans_finds_planted_patterns():
    """Patches are plus or minus one of four orthogonal zero-mean patterns, with noise."""
    rng = np.random.default_rng(0)
    patterns = make_bank("dct", 5, 4)[1:].reshape(4, 16)
    signs = rng.choice([-5, 5], size=(2000, 1))
    patches = signs * patterns[rng.integers(4, size=2000)] + 0.05 * rng.normal(size=(2000, 16))
    W = make_bank("kmeans", 4, 4, images=patches.reshape(-1, 1, 4, 4), random_state=0).reshape(4, 16)
    match = np.abs(W @ patterns.T)
    assert match.max(axis=0).min() > 0.9, match


def test_patches_are_all_of_them_when_few_and_padded_when_the_image_is_small():
    images = np.arange(9.0).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(
        draw_patches("kmeans", images, 2, 1, np.random.default_rng(0)),
        [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]],
    )
    padded = draw_patches("kmeans", images, 5, 1, np.random.default_rng(0))
    assert padded.shape == (1, 25) and padded.sum() == images.sum()


def test_a_function_is_a_bank_too():
    def ones(n_filters, kernel_size, channels=1, images=None, random_state=None):
        return np.ones((n_filters, channels, kernel_size, kernel_size))

    np.testing.assert_array_equal(make_bank(ones, 2, 3), np.ones((2, 1, 3, 3)))
    with pytest.raises(ValueError, match="returned shape"):
        make_bank(lambda *args: np.ones((2, 3, 3)), 2, 3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("wavelet", 4, 3), "bank='wavelet'"),
        (("dct", 10, 3), "at most 9 filters"),
        (("patch_pca", 10, 3, 1, np.zeros((2, 1, 5, 5))), "at most 9 filters"),
        (("kmeans", 4, 3, 1, np.zeros((2, 1, 5, 5))), "at most 0 filters"),
        (("kmeans", 4, 3), "pass training images"),
        (("kmeans", 4, 3, 3, np.zeros((2, 1, 5, 5))), "expected .n, 3, h, w."),
        (("sobel", 4, 1), "kernel_size"),
        (("gabor", 4, 2), "kernel_size"),
    ],
)
def test_what_a_bank_cannot_do_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_bank(*arguments)


def test_banks_and_filter_bank_do_not_import_torch():
    code = (
        "import sys, kernelopt.estimators.filter_bank, kernelopt.conv.layers, kernelopt.estimators.convnet;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_patch_limit_holds():
    images = np.random.default_rng(0).normal(size=(20, 1, 40, 40))
    assert len(draw_patches("kmeans", images, 3, 1, np.random.default_rng(0))) == N_PATCHES
