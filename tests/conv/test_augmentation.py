import numpy as np
import pytest
import torch

from kernelopt.conv.augmentation import Augmentation

IMAGES = torch.rand((500, 2, 6, 5), generator=torch.Generator().manual_seed(0)) + 1  # zero is never inside


def varied(seed=0, **options):
    return Augmentation(**options)(IMAGES, torch.Generator().manual_seed(seed)).numpy()


def moved(image, down, right):
    h, w = image.shape[1:]
    padded = np.pad(image, ((0, 0), (h, h), (w, w)))
    return padded[:, h + down : 2 * h + down, w + right : 2 * w + right]


def test_nothing_asked_nothing_changed():
    np.testing.assert_array_equal(varied(), IMAGES)


def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    found, images = varied(flip=True), IMAGES.numpy()
    same = (found == images).all(axis=(1, 2, 3))
    mirrored = (found == images[..., ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all() and 200 < mirrored.sum() < 300


def test_a_shift_moves_whole_images_by_every_displacement_and_fills_with_zeros():
    found, images, seen = varied(shift=1), IMAGES.numpy(), set()
    for image, original in zip(found, images, strict=True):
        places = [(d, r) for d in (-1, 0, 1) for r in (-1, 0, 1) if np.array_equal(image, moved(original, d, r))]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) == 9


def test_a_cutout_removes_one_square_everywhere_and_nothing_else():
    found, images = varied(cutout=2), IMAGES.numpy()
    gone = found == 0
    np.testing.assert_array_equal(found[~gone], images[~gone])
    assert (gone.sum(axis=(2, 3)) == 4).all() and (gone[:, 0] == gone[:, 1]).all()
    rows, columns = gone[:, 0].any(axis=2), gone[:, 0].any(axis=1)
    assert (rows.sum(axis=1) == 2).all() and (columns.sum(axis=1) == 2).all()
    assert gone[:, 0].any(axis=0).all()  # corners too


def test_a_cutout_larger_than_the_image_leaves_nothing():
    assert not varied(cutout=9).any()


def test_the_generator_decides_and_images_stay():
    options, before = {"shift": 2, "flip": True, "cutout": 1}, IMAGES.clone()
    np.testing.assert_array_equal(varied(3, **options), varied(3, **options))
    assert (varied(3, **options) != varied(4, **options)).any()
    assert torch.equal(IMAGES, before)


@pytest.mark.parametrize(
    "options, error", [({"shift": -1}, ValueError), ({"cutout": 0.5}, TypeError), ({"flip": 1}, TypeError)]
)
def test_bad_variations_are_refused_by_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        Augmentation(**options)
