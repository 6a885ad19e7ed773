import numpy as np
import pytest
from sklearn.datasets import load_digits

from kernelopt.conv.scattering import littlewood_paley, morlet_wavelet, scattering, scattering_paths

TEXTURES = np.random.default_rng(0).normal(size=(4, 1, 32, 32)).cumsum(axis=2)
PLAIN = {"boundary": "periodic", "subsample": False}


def test_coefficients_equal_direct_sums():
    """Without Fourier: wavelets and average as sums over the torus, one pixel after another."""
    J, L, side = 2, 2, 12
    x = np.random.default_rng(1).normal(size=(side, side))
    phi, psi = littlewood_paley(side, side, J, L)
    kernels = {key: np.fft.ifft2(psi[key]) for key in np.ndindex(J, L)}
    average = np.fft.ifft2(phi)
    index = (np.arange(side)[:, None] - np.arange(side)) % side

    def convolve(image, kernel):
        return np.einsum("pquv,uv->pq", kernel[index[:, None, :, None], index[None, :, None, :]], image)

    expected = []
    for path in scattering_paths(J, L):
        layer = x
        for key in path:
            layer = np.abs(convolve(layer, kernels[key]))
        expected.append(convolve(layer, average).real)
    np.testing.assert_allclose(scattering(x[None, None], J, L, **PLAIN)[0, 0], expected, atol=1e-12)


@pytest.mark.parametrize("scale, angle", [(0, 0.0), (1, 0.7), (2, 2.0)])
def test_a_wavelet_is_the_formula_without_its_mean(scale, angle):
    v, u = np.mgrid[-30:31, -30:31].astype(float)
    found = morlet_wavelet(u, v, scale, angle)
    assert abs(found.sum()) < 1e-12
    np.testing.assert_allclose(found, np.conj(found[::-1, ::-1]), atol=1e-14)
    # the peak of the spectrum is near the wave's frequency, 3 pi / 4 divided by 2^scale, in its direction
    spectrum = np.abs(np.fft.fft2(found, (512, 512)))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    omega = 2 * np.pi * np.array([np.fft.fftfreq(512)[column], np.fft.fftfreq(512)[row]])
    wave = 3 * np.pi / 4 / 2**scale * np.array([np.cos(angle), np.sin(angle)])
    assert np.linalg.norm(omega - wave) < 0.05 * np.linalg.norm(wave)


@pytest.mark.parametrize("h, w, J, L", [(32, 32, 3, 8), (16, 24, 2, 4), (9, 14, 1, 3), (8, 8, 3, 6)])
def test_the_filters_conserve_at_most_the_energy(h, w, J, L):
    phi, psi = littlewood_paley(h, w, J, L)
    energy = (psi**2).sum(axis=(0, 1))
    total = phi**2 + (energy + np.roll(energy[::-1, ::-1], 1, axis=(0, 1))) / 2
    assert total.max() == pytest.approx(1, abs=1e-9)  # somewhere nothing is lost
    assert phi[0, 0] == pytest.approx(1) and np.abs(psi[:, :, 0, 0]).max() < 1e-12


@pytest.mark.parametrize("J", [1, 2, 3])
def test_two_images_differ_at_least_as_much_as_their_scatterings(J):
    rng = np.random.default_rng(J)
    for scale in (1e-3, 1.0, 100.0):
        other = TEXTURES + scale * rng.normal(size=TEXTURES.shape)
        found = scattering(TEXTURES, J, 4, **PLAIN) - scattering(other, J, 4, **PLAIN)
        per_image = np.sqrt((found**2).sum(axis=(1, 2, 3, 4))) / np.sqrt(((TEXTURES - other) ** 2).sum(axis=(1, 2, 3)))
        assert per_image.max() <= 1 + 1e-12, per_image


def test_a_shifted_image_has_the_shifted_scattering():
    found = scattering(np.roll(TEXTURES, (3, 5), axis=(2, 3)), 2, 4, **PLAIN)
    np.testing.assert_allclose(found, np.roll(scattering(TEXTURES, 2, 4, **PLAIN), (3, 5), axis=(3, 4)), atol=1e-9)


def test_small_shifts_change_the_scattering_little_and_less_the_wider_the_average():
    """A shift by one pixel turns a rough image into another one; its scattering moves by a fraction of that."""
    rough = np.random.default_rng(2).normal(size=(4, 1, 32, 32))
    moved = np.roll(rough, 1, axis=3)

    def change(function):
        return np.linalg.norm(function(moved) - function(rough)) / np.linalg.norm(function(rough))

    changes = [change(lambda x, J=J: scattering(x, J, 6, **PLAIN)) for J in (1, 2, 3, 4)]
    assert change(lambda x: x) > 1.3
    assert changes == sorted(changes, reverse=True) and changes[-1] < 0.1, changes
    # proportional to the shift over the width of the average
    assert changes[3] / changes[2] == pytest.approx(0.5, abs=0.25)


def test_rotating_an_image_by_a_quarter_turn_permutes_the_paths():
    image = TEXTURES[:1]
    L = 4
    found = scattering(np.rot90(image, -1, axes=(2, 3)), 2, L, **PLAIN)  # from the axis u to the axis v
    expected = scattering(image, 2, L, **PLAIN)
    expected = np.rot90(expected, -1, axes=(3, 4))
    paths = scattering_paths(2, L)
    turned = [paths.index(tuple((j, (i - L // 2) % L) for j, i in path)) for path in paths]
    np.testing.assert_allclose(found, expected[:, :, turned], atol=1e-9)


def test_subsampling_keeps_every_other_pixel_of_the_full_transform():
    full = scattering(TEXTURES, 2, 3, boundary="symmetric", subsample=False)
    np.testing.assert_array_equal(scattering(TEXTURES, 2, 3), full[..., ::4, ::4])
    assert full.shape == (4, 1, 1 + 6 + 9, 32, 32)


def test_the_boundary_does_not_darken_a_constant_image():
    found = scattering(np.full((1, 1, 9, 14), 3.0), 2, 4)
    np.testing.assert_allclose(found[:, :, 0], 3, atol=1e-12)
    np.testing.assert_allclose(found[:, :, 1:], 0, atol=1e-12)
    assert found.shape[3:] == (3, 4)


def test_sizes_and_order():
    images = load_digits().images[:3, None]
    assert scattering(images, 2, 8).shape == (3, 1, 81, 2, 2)
    np.testing.assert_allclose(scattering(images, 2, 8, order=1), scattering(images, 2, 8)[:, :, :17], atol=1e-12)
    assert len(scattering_paths(3, 4)) == 1 + 12 + 3 * 16


@pytest.mark.parametrize(
    "options, message",
    [
        ({"J": 0}, "J=0"),
        ({"L": 2.5}, "L=2.5"),
        ({"order": 3}, "order=3"),
        ({"boundary": "zero"}, "boundary='zero'"),
        ({"J": 6, "boundary": "periodic"}, "must divide both sides"),
    ],
)
def test_bad_arguments_are_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        scattering(TEXTURES, **options)
    with pytest.raises(ValueError, match=r"expected \(n, channels, h, w\)"):
        scattering(TEXTURES[0])
