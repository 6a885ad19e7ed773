import subprocess
import sys

import numpy as np
import pytest

from kernelopt.conv.banks import BANKS, grouped_bank, make_bank
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
    if bank not in ("random", "zca", "whitening"):
        np.testing.assert_allclose(np.linalg.norm(flat, axis=1), 1, atol=1e-12)
    if bank not in ("random", "zca", "whitening", "dct", "patch_pca"):
        np.testing.assert_allclose(flat.mean(axis=1), 0, atol=1e-12)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2) + 9 * np.eye(6)
    assert distances.min() > 1e-3, "two filters of a bank are equal"


@pytest.mark.parametrize("bank", BANKS)
def test_a_bank_is_a_function_of_its_seed(bank, images):
    first, again, other = (make_bank(bank, 6, 3, 3, images, random_state=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    if bank in ("random", "random_patches", "kmeans"):  # the others see all patches of these images, whatever the seed
        assert not np.allclose(first, other)


def test_sobel_has_the_classical_values_and_directions():
    W = make_bank("sobel", 4, 3)[:, 0] * np.sqrt(12)
    across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    for filter_, expected in zip(W, (across, across.T, -across, -across.T), strict=True):
        np.testing.assert_allclose(filter_, expected, atol=1e-12)


CLASSICAL = {
    "prewitt": ([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]], [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]),
    "scharr": ([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]], [[-3, -10, -3], [0, 0, 0], [3, 10, 3]]),
    "laplacian": ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], None, None, [[1, 1, 1], [1, -8, 1], [1, 1, 1]]),
    "lines": (
        [[-1, -1, -1], [2, 2, 2], [-1, -1, -1]],
        [[2, -1, -1], [-1, 2, -1], [-1, -1, 2]],
        [[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]],
        [[-1, -1, 2], [-1, 2, -1], [2, -1, -1]],
    ),
}


@pytest.mark.parametrize("bank", CLASSICAL)
def test_filters_of_size_three_have_the_classical_values(bank):
    for filter_, values in zip(make_bank(bank, 4, 3)[:, 0], CLASSICAL[bank], strict=False):
        if values is not None:
            np.testing.assert_allclose(filter_, values / np.linalg.norm(values), atol=1e-12)


@pytest.mark.parametrize("bank", ["sobel", "prewitt", "scharr"])
@pytest.mark.parametrize("kernel_size", [3, 4, 5, 7])
def test_derivatives_measure_slopes(bank, kernel_size):
    """On any plane each filter gives the slope in its direction, up to one factor for all."""
    W = make_bank(bank, 8, kernel_size)[:, 0]
    v, u = np.mgrid[:kernel_size, :kernel_size].astype(float)
    angles = 2 * np.pi * np.arange(8) / 8
    across, down = (np.einsum("fuv,uv->f", W, plane) for plane in (u, v))
    norm = across[0]
    assert norm > 0.5
    np.testing.assert_allclose(across, norm * np.cos(angles), atol=1e-12)
    np.testing.assert_allclose(down, norm * np.sin(angles), atol=1e-12)


def test_the_prewitt_filter_is_the_least_squares_slope():
    rng = np.random.default_rng(0)
    for kernel_size in (2, 3, 6):
        pixels = rng.normal(size=kernel_size**2)
        v, u = (a.ravel() for a in np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2)
        slope = np.linalg.lstsq(np.column_stack([u, v, np.ones(kernel_size**2)]), pixels)[0][0]
        filter_ = make_bank("prewitt", 1, kernel_size).ravel()
        assert filter_ @ pixels / (filter_ @ u) == pytest.approx(slope, rel=1e-10)


@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_laplacians_of_quadratics_are_the_sum_of_second_derivatives(kernel_size):
    W = make_bank("laplacian", 5, kernel_size)[:, 0]
    v, u = np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2

    def answers(surface):
        return np.einsum("fuv,uv->f", W, surface)

    for flat in (np.ones_like(u), u, v, u * v, u**2 - v**2):
        np.testing.assert_allclose(answers(flat), 0, atol=1e-12)
    np.testing.assert_allclose(answers(u**2), answers(v**2), atol=1e-12)
    assert answers(u**2).min() > 0.1


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_line_detectors_answer_most_to_the_line_of_their_own_direction(kernel_size):
    W = make_bank("lines", 4, kernel_size)[:, 0]
    middle = kernel_size // 2
    drawn = np.zeros((4, kernel_size, kernel_size))
    drawn[0, middle], drawn[2, :, middle] = 1, 1
    drawn[1], drawn[3] = np.eye(kernel_size), np.eye(kernel_size)[::-1]
    np.testing.assert_array_equal(np.einsum("fuv,luv->lf", W, drawn).argmax(axis=1), range(4))


@pytest.mark.parametrize("n_filters, kernel_size", [(16, 7), (32, 9)])
def test_gabor_filters_have_the_frequency_and_orientation_of_the_formula(n_filters, kernel_size):
    """By the peak of the spectrum, whose distance from zero the narrow window blurs; and entry by entry."""
    W = make_bank("gabor", n_filters, kernel_size)[:, 0]
    n_angles, fine = max(4, n_filters // 4), 512
    spectra = np.abs(np.fft.fft2(W, (fine, fine)))
    for i, spectrum in enumerate(spectra):
        row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
        y, x = np.fft.fftfreq(fine)[[row, column]]
        angle, wavelength = np.pi * (i % n_angles) / n_angles, kernel_size / (1 + i // (2 * n_angles))
        distance = np.angle(np.exp(2j * (np.arctan2(y, x) - angle))) / 2  # directions are equal up to half a turn
        assert abs(distance) < 0.1, i
        phase = i // n_angles % 2
        assert np.hypot(x, y) * wavelength == pytest.approx(1, abs=0.2), i
        v, u = np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2
        along = 2 * np.pi * (np.cos(angle) * u + np.sin(angle) * v) / wavelength
        wave = (np.sin(along), np.cos(along))[phase] * np.exp(-(u**2 + v**2) / (0.32 * wavelength**2))
        wave -= wave.mean()
        np.testing.assert_allclose(W[i], wave / np.linalg.norm(wave), atol=1e-12)


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


@pytest.mark.parametrize("kernel_size", [5, 7])
def test_morlet_filters_are_odd_edges_then_even_lines_of_the_direction_they_say(kernel_size):
    W = make_bank("morlet", 8, kernel_size)[:, 0]
    np.testing.assert_allclose(W[:4], -W[:4, ::-1, ::-1], atol=1e-12)
    np.testing.assert_allclose(W[4:], W[4:, ::-1, ::-1], atol=1e-12)
    v, u = np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2
    angles = np.pi * np.arange(4) / 4
    waves = [np.exp(0.75j * np.pi * (u * np.cos(a) + v * np.sin(a))) for a in angles]
    answers = np.abs(np.array([[np.sum(f * wave) for wave in waves] for f in W]))
    np.testing.assert_array_equal(answers.argmax(axis=1), [0, 1, 2, 3, 0, 1, 2, 3])


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


def test_zca_whitens_and_stays_nearest_the_patch():
    """The covariance of the answers is the identity, and W is symmetric: of all whitenings that turn patches least."""
    images = np.random.default_rng(0).normal(size=(20, 2, 12, 12))
    images = images + 0.5 * np.roll(images, 1, axis=3)
    patches = draw_patches("zca", images, 3, 2, np.random.default_rng(0))
    W = make_bank("zca", 18, 3, 2, images, random_state=0).reshape(18, 18)
    np.testing.assert_allclose(np.cov(patches @ W.T, rowvar=False, bias=True), np.eye(18), atol=1e-10)
    peaks = np.abs(W).argmax(axis=1)
    assert sorted(peaks) == list(range(18)) and peaks[:2].tolist() == [4, 13], "each filter is about one pixel"
    symmetric = W[np.argsort(peaks)]
    np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-10)


def test_whitening_gives_uncorrelated_responses_of_variance_one_both_ways():
    images = np.random.default_rng(0).normal(size=(30, 3, 10, 10)).cumsum(axis=2) + 5
    W = make_bank("whitening", 24, 2, 3, images, random_state=0).reshape(24, 12)
    np.testing.assert_array_equal(W[12:], -W[:12])
    patches = draw_patches("whitening", images, 2, 3, np.random.default_rng(0))
    responses = patches @ W[:12].T
    np.testing.assert_allclose(np.cov(responses, rowvar=False, bias=True), np.eye(12), atol=1e-8)
    spread = (patches @ (W[:12] / np.linalg.norm(W[:12], axis=1)[:, None]).T).var(axis=0)
    assert (np.diff(spread) < 0).all(), "the direction that varies most comes first"
    np.testing.assert_array_equal(
        make_bank("whitening", 5, 2, 3, images, random_state=0)[3:], -W[:2].reshape(2, 3, 2, 2)
    )


def test_zca_does_not_amplify_directions_without_variation(images):
    images = np.concatenate([images[:, :1], images[:, :1]], axis=1)  # two equal channels
    patches = draw_patches("zca", images, 3, 2, np.random.default_rng(0))
    W = make_bank("zca", 18, 3, 2, images, random_state=0).reshape(18, 18)
    values, vectors = np.linalg.eigh(np.cov(patches, rowvar=False, bias=True))
    covariance = np.cov(patches @ W.T, rowvar=False, bias=True)
    gains = np.einsum("ip,ij,jp->p", vectors, covariance[np.argsort(np.abs(W).argmax(axis=1))], vectors)
    assert np.linalg.eigvalsh(covariance).max() == pytest.approx(1, abs=1e-8)
    assert np.isfinite(gains).all() and np.abs(W).max() < 1 / np.sqrt(1e-3 * values.mean())


def test_a_random_patch_answers_most_to_its_own_filter():
    """Of all patches of equal whitened norm: so its cosine with the whitened filter is one for some patch."""
    images = np.random.default_rng(0).normal(size=(12, 1, 8, 8)).cumsum(axis=2)
    W = make_bank("random_patches", 10, 4, images=images, random_state=0).reshape(10, 16)
    patches = draw_patches("random_patches", images, 4, 1, np.random.default_rng(0))
    patches = patches - patches.mean(axis=1, keepdims=True)
    contrast = patches.std(axis=1, keepdims=True)
    patches = patches / np.sqrt(contrast**2 + (0.1 * contrast.mean()) ** 2)
    covariance = np.cov(patches, rowvar=False)
    regularised = covariance + 0.1 * np.trace(covariance) / 16 * np.eye(16)
    x = patches - patches.mean(axis=0)
    # f = R^-1 x, so that its cosine with x in the metric of R^-1 is f x / (|R^1/2 f| |R^-1/2 x|)
    answers = W @ x.T / np.sqrt(np.einsum("pi,ij,pj->p", x, np.linalg.inv(regularised), x))
    norms = np.sqrt(np.einsum("fi,ij,fj->f", W, regularised, W))
    best = (answers / norms[:, None]).max(axis=1)
    np.testing.assert_allclose(best, 1, atol=1e-3)  # the filter's mean was removed, which x hardly notices


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
        (("random_patches", 4, 3), "pass training images"),
        (("random_patches", 30, 3, 1, np.eye(6).reshape(1, 1, 6, 6)), "at most 14 filters"),
        (("whitening", 19, 3, 1, np.zeros((2, 1, 5, 5))), "at most 18 filters"),
        (("whitening", 4, 3, 1, np.zeros((2, 1, 5, 5))), "all patches of the images are equal"),
        (("zca", 10, 3, 1, np.zeros((2, 1, 5, 5))), "at most 9 filters"),
        (("zca", 4, 3, 1, np.zeros((2, 1, 5, 5))), "all patches of the images are equal"),
        (("sobel", 4, 1), "kernel_size"),
        (("prewitt", 4, 1), "kernel_size"),
        (("scharr", 4, 2), "kernel_size"),
        (("laplacian", 4, 2), "kernel_size"),
        (("lines", 4, 2), "kernel_size"),
        (("morlet", 4, 2), "kernel_size"),
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


def test_groups_get_banks_of_their_own_channels(images):
    W = grouped_bank("patch_pca", 6, 3, 3, images, random_state=0, groups=3)
    assert W.shape == (6, 1, 3, 3)
    for g in range(3):
        np.testing.assert_array_equal(W[2 * g : 2 * g + 2], make_bank("patch_pca", 2, 3, 1, images[:, g : g + 1]))
    one = grouped_bank("kmeans", 6, 3, 3, images, random_state=4)
    np.testing.assert_array_equal(one, make_bank("kmeans", 6, 3, 3, images, random_state=4))
