import numpy as np
import pytest

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed: no figures")

from kernelopt.conv.banks import make_bank  # noqa: E402
from kernelopt.conv.figures import (  # noqa: E402
    plot_beside_fixed,
    plot_filters_over_training,
    plot_gradient_flow,
    plot_loss_surface,
    plot_saliency,
    plot_stages,
)
from kernelopt.conv.gabor_fit import nearest_gabor  # noqa: E402

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def drawn(monkeypatch):
    """Draw what a test has made, as a viewer would: that raises or warns where the layout fails."""
    pyplot.switch_backend("agg")
    yield
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()
    pyplot.close("all")


def shown(ax):
    return [np.ma.filled(image.get_array(), np.nan) for image in ax.get_images()]


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def test_the_strip_shows_every_filter_at_every_epoch_on_one_scale_with_white_at_zero():
    filters = rng.normal(size=(3, 4, 2, 5, 5))
    figure = plot_filters_over_training(filters, [0, 2, 9], [0.0, 0.5, 1.25], channel=1, n_filters=3)
    images = figure.axes[0].get_images()
    expected = [filters[t, f, 1] for f in range(3) for t in range(3)]
    np.testing.assert_array_equal(shown(figure.axes[0]), expected)
    largest = np.abs(filters[:, :3, 1]).max()
    assert {image.get_clim() for image in images} == {(-largest, largest)}
    assert labels(figure.axes[0].xaxis) == ["0\n0.00", "2\n0.50", "9\n1.25"]
    places = [image.get_extent() for image in images]  # rows are filters, columns epochs
    assert places[1][0] > places[0][0] and places[1][2] == places[0][2] and places[3][2] > places[0][2]


def test_stages_show_filter_activation_and_pooled_map_below_each_other_and_share_a_scale():
    image, filters = rng.normal(size=(2, 8, 8)), rng.normal(size=(3, 2, 3, 3))
    activations = rng.uniform(size=(3, 8, 8))
    pooled = activations.reshape(3, 4, 2, 4, 2).max(axis=(2, 4))
    figure = plot_stages(image, filters, activations, pooled, channel=1)
    panels = [ax for ax in figure.axes if ax.get_images()]
    assert len(panels) == 10
    np.testing.assert_array_equal(shown(panels[0])[0], image[1])
    for f in range(3):
        for row, expected in enumerate((filters[f, 1], activations[f], pooled[f])):
            np.testing.assert_array_equal(shown(panels[1 + 3 * row + f])[0], expected)
    assert {ax.get_images()[0].get_clim() for ax in panels[4:]} == {(0.0, activations.max())}
    assert [ax.get_ylabel() for ax in panels[1::3]][:3] == ["filter", "activation", "pooled"]


def test_gradient_flow_shows_the_numbers_and_leaves_gaps_at_zero():
    norms = np.array([[0.0, 1.0], [0.1, 0.5], [0.01, 0.2]])
    ax = plot_gradient_flow(norms, [0, 1, 5], ["first", "second"]).axes[0]
    assert ax.get_yscale() == "log" and [text.get_text() for text in ax.get_legend().get_texts()] == ["first", "second"]
    found = np.array([line.get_ydata() for line in ax.get_lines()]).T
    np.testing.assert_array_equal(found, np.where(norms > 0, norms, np.nan))
    np.testing.assert_array_equal(ax.get_lines()[0].get_xdata(), [0, 1, 5])


def test_learned_filters_stand_above_their_own_gabor_filters_with_r2():
    filters = rng.normal(size=(4, 1, 5, 5))
    ax = plot_beside_fixed(filters, {"Sobel": make_bank("sobel", 3, 5)}).axes[0]
    assert labels(ax.yaxis) == ["learned", "nearest Gabor", "Sobel"]
    fit = nearest_gabor(filters)
    assert labels(ax.xaxis) == [f"{r2:.2f}" for r2 in fit.r2]
    tiles = shown(ax)
    for f in range(4):
        centred = filters[f, 0] - filters[f].mean()
        np.testing.assert_allclose(tiles[f], centred / np.abs(centred).max())
        np.testing.assert_allclose(tiles[4 + f], fit.filters[f, 0] / np.abs(centred).max(), atol=1e-12)
    assert np.isnan(tiles[11]).all(), "there are three Sobel filters, and an empty place"


def test_every_saliency_map_stands_beside_its_check():
    images, maps, lost = rng.normal(size=(2, 8, 8)), rng.uniform(size=(2, 8, 8)), rng.uniform(size=(2, 8, 8))
    figure = plot_saliency(images, {"gradient": maps}, {"gradient": lost}, {"gradient": [0.1, -0.234]})
    for i in range(2):
        for panel, expected in zip(figure.axes[3 * i : 3 * i + 3], (images[i], maps[i], lost[i]), strict=True):
            np.testing.assert_array_equal(shown(panel)[0], expected)
    assert [ax.get_title() for ax in figure.axes[:3]] == ["image", "gradient", "weights lost"]
    assert figure.axes[5].get_xlabel() == "ρ = -0.23"
    with pytest.raises(ValueError, match="every map needs its check"):
        plot_saliency(images, {"gradient": maps}, {})


@pytest.mark.parametrize("rim", [0.0, 1.0, 100.0])
def test_the_loss_surface_and_its_sections_show_the_losses(rim):
    steps = np.linspace(-1, 1, 5)
    losses = 0.5 + rim * (steps[:, None] ** 2 + 0.3 * steps + 0.5 * steps**2)
    losses -= min(0.0, losses.min() - 0.1)
    figure = plot_loss_surface(steps, losses)
    first, second = figure.axes[1].get_lines()[:2]
    np.testing.assert_array_equal(first.get_ydata(), losses[:, 2])
    np.testing.assert_array_equal(second.get_ydata(), losses[2])
    (ends,) = [ax.get_ylim() for ax in figure.axes[2:]]
    assert ends[0] <= losses.min() + 1e-9 and ends[1] >= losses.max() - 1e-9


def test_wrong_shapes_are_refused():
    filters = rng.normal(size=(3, 4, 2, 5, 5))
    with pytest.raises(ValueError, match="3 epochs"):
        plot_filters_over_training(filters, [0, 1])
    with pytest.raises(ValueError, match="channel=2"):
        plot_filters_over_training(filters, [0, 1, 2], channel=2)
    with pytest.raises(ValueError, match=r"shape \(3, 2\), but expected \(4, 2\)"):
        plot_gradient_flow(np.ones((3, 2)), range(4), ["a", "b"])
    with pytest.raises(ValueError, match=r"others\['Sobel'\]"):
        plot_beside_fixed(filters[0], {"Sobel": make_bank("sobel", 3, 3)})
