import numpy as np
import pytest
import torch

from kernelopt.conv.augmentation import Augmentation
from kernelopt.conv.devices import reproducible
from kernelopt.conv.layers import ConvLayer
from kernelopt.conv.network import start_network
from kernelopt.conv.run import Run
from kernelopt.conv.training import Recipe
from kernelopt.conv.validation import Samples

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


def test_alternating_flips_mirror_those_whose_turn_it_is():
    turns = torch.arange(500) // 3
    found = Augmentation(flip="alternate")(IMAGES, torch.Generator(), turns).numpy()
    odd, images = turns.numpy() % 2 == 1, IMAGES.numpy()
    np.testing.assert_array_equal(found[odd], images[odd, ..., ::-1])
    np.testing.assert_array_equal(found[~odd], images[~odd])
    with pytest.raises(ValueError, match="turns is None"):
        Augmentation(flip="alternate")(IMAGES, torch.Generator())


def test_training_shows_each_image_in_turns_and_half_of_them_mirrored(monkeypatch):
    seen = []

    def spy(self, images, generator, turns=None):
        seen.append((images.numpy().copy(), turns.numpy() % 2))
        return images

    monkeypatch.setattr(Augmentation, "__call__", spy)
    recipe = Recipe(epochs=4, batch_size=500, augmentation=Augmentation(flip="alternate"))
    with reproducible(1):
        network = start_network([ConvLayer(2, 3)], IMAGES.numpy(), 2, 0)
        run = Run(network, Samples(IMAGES.numpy(), np.arange(500) % 2), recipe, 0, "cpu")
        for epoch in (1, 2, 3):
            run.epoch(epoch)
        run.measure()
    assert len(seen) == 3, "images are varied in training only"
    sides = [turns[np.argsort(images[:, 0, 0, 0])] for images, turns in seen]  # in one order of the images
    np.testing.assert_array_equal(sides[0], 1 - sides[1])
    np.testing.assert_array_equal(sides[0], sides[2])
    assert 200 < sides[0].sum() < 300


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
    "options, error",
    [
        ({"shift": -1}, ValueError),
        ({"cutout": 0.5}, TypeError),
        ({"flip": 1}, TypeError),
        ({"flip": "often"}, TypeError),
    ],
)
def test_bad_variations_are_refused_by_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        Augmentation(**options)
