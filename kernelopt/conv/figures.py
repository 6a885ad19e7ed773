"""Pictures of filters, of what they do to an image, and of how they were learned; all are made from arrays.

Filters are drawn from blue (negative) over white (zero) to red, images in grey, all else from dark to light. Each
function returns a matplotlib figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kernelopt.conv.gabor_fit import nearest_gabor
from kernelopt.errors import missing_extra

try:
    from matplotlib import pyplot
    from matplotlib.colors import BoundaryNorm
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
except ImportError as error:
    raise missing_extra("matplotlib", "report") from error

SIGNED, SIZES, INK = "RdBu_r", "viridis", "0.25"
GAP = 0.15  # between tiles, in tiles
SHADES = ("#08519c", "#d95f0e", "#238b45", "#6a51a3", "#636363")  # of layers, from the first on
DASHES = ("-", "--", "-.", ":")


def plot_filters_over_training(
    filters: np.ndarray, epochs: Sequence[int], movement: Sequence[float] | None = None, channel=0, n_filters=12
):
    r"""Draw one row per filter and one column per epoch, all on one colour scale.

    Parameters
    ----------
    filters : array of shape (T, F, c, k, k)
        As ``Trace.arrays()["filters_0"]`` or ``ConvNetClassifier.filter_snapshots_``.
    epochs : sequence of T int
    movement : sequence of T float, optional
        :math:`\|W - W_0\| / \|W_0\|`, written under the columns.
    channel : int
        Which channel of the filters is drawn.
    n_filters : int
        At most so many are drawn, the first ones.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> figure = plot_filters_over_training(np.random.default_rng(0).normal(size=(3, 4, 1, 5, 5)), [0, 1, 10])
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['0', '1', '10']
    >>> pyplot.close(figure)
    """
    planes = _planes(filters, channel, 5)[:, :n_filters].swapaxes(0, 1)  # (F, T, k, k)
    if planes.shape[1] != len(epochs) or (movement is not None and len(movement) != len(epochs)):
        raise ValueError(f"filters has {planes.shape[1]} epochs, but epochs or movement have another number.")
    rows, columns = planes.shape[:2]
    figure = pyplot.figure(figsize=(1.6 + 0.55 * columns, 1.3 + 0.55 * rows), layout="constrained")
    ax = figure.add_subplot()
    largest = float(np.abs(planes).max()) or 1.0
    image = _tiles(ax, planes, SIGNED, -largest, largest)
    labels = [str(epoch) for epoch in epochs]
    if movement is not None:
        labels = [f"{label}\n{_short(value)}" for label, value in zip(labels, movement, strict=True)]
    ax.set_xticks(_centres(columns), labels)
    ax.set_yticks(_centres(rows), [str(f) for f in range(rows)])
    ax.set_xlabel("epoch" if movement is None else r"epoch, and below it $\|W - W_0\| \, / \, \|W_0\|$")
    ax.set_ylabel("filter")
    figure.colorbar(image, cax=ax.inset_axes((1.03, 0.02, 0.025, 0.96)), label="entry of the filter")
    return figure


def plot_stages(
    image: np.ndarray, filters: np.ndarray, activations: np.ndarray, pooled: np.ndarray, channel=0, n_filters=6
):
    """Draw how an image passes a layer: each filter, its output, and the output after pooling.

    Parameters
    ----------
    image : array of shape (c, h, w)
        The input of the layer.
    filters : array of shape (F, c, k, k)
    activations, pooled : arrays of shape (F, rows, columns)
        As from :func:`kernelopt.conv.trace.stages`. Both are drawn on one scale.
    channel : int
        Which channel of the image and of the filters is drawn; the outputs are those of all channels.
    n_filters : int
        At most so many are drawn, the first ones.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_stages(np.ones((1, 8, 8)), np.ones((2, 1, 3, 3)), np.ones((2, 8, 8)), np.ones((2, 4, 4)))
    >>> len(figure.axes)  # the image, three panels for each filter, two colour scales
    9
    >>> pyplot.close(figure)
    """
    planes = _planes(filters, channel, 4)[:n_filters]
    n = len(planes)
    figure = pyplot.figure(figsize=(3.6 + 1.15 * n, 3.9), layout="constrained")
    grid = figure.add_gridspec(3, n + 2, width_ratios=[1, 1, *[1] * n])
    ax = figure.add_subplot(grid[:, :2])
    _picture(ax, image[channel], "gray")
    ax.set_title("image" if len(image) == 1 else f"input, channel {channel} of {len(image)}", color=INK)
    largest = float(np.abs(planes).max()) or 1.0
    top = float(np.max(activations[:n])) or 1.0
    low = min(0.0, float(np.min(activations[:n])))
    rows: list[tuple[str, np.ndarray, str, float, float]] = [
        ("filter", planes, SIGNED, -largest, largest),
        ("activation", activations[:n], SIZES, low, top),
        ("pooled", pooled[:n], SIZES, low, top),
    ]
    for row, (name, tiles, colours, least, most) in enumerate(rows):
        axes = [figure.add_subplot(grid[row, f + 2]) for f in range(n)]
        for f, (one, tile) in enumerate(zip(axes, tiles, strict=True)):
            drawn = _picture(one, tile, colours, least, most)
            if row == 0:
                one.set_title(str(f), color=INK, fontsize="medium")
        axes[0].set_ylabel(name)
        if row < 2:
            figure.colorbar(drawn, ax=axes, fraction=0.06, aspect=10)
    return figure


def plot_gradient_flow(gradient_norm: np.ndarray, epochs: Sequence[int], names: Sequence[str] | None = None):
    """Draw the norm of each layer's gradient over the epochs, on a logarithmic scale.

    Parameters
    ----------
    gradient_norm : array of shape (T, L)
        As ``Trace.arrays()["gradient_norm"]``. A norm of zero has no logarithm and leaves a gap in its
        line: so do the filters' gradients at the start of a network whose head starts at zero.
    epochs : sequence of T int
    names : sequence of L str, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the shapes do not agree.

    Examples
    --------
    >>> figure = plot_gradient_flow(np.array([[0.0, 1.0], [0.1, 0.2]]), [0, 1])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['layer 0', 'layer 1']
    >>> pyplot.close(figure)
    """
    norms = np.asarray(gradient_norm, dtype=float)
    names = [f"layer {i}" for i in range(norms.shape[-1])] if names is None else names
    if norms.shape != (len(epochs), len(names)):
        raise ValueError(f"gradient_norm has shape {norms.shape}, but expected {(len(epochs), len(names))}.")
    figure = pyplot.figure(figsize=(6.4, 3.6), layout="constrained")
    ax = figure.add_subplot()
    norms = np.where(norms > 0, norms, np.nan)
    for i, name in enumerate(names):
        style = {"color": SHADES[i % len(SHADES)], "linestyle": DASHES[i % len(DASHES)]}
        ax.plot(epochs, norms[:, i], marker="o", markersize=3.5, label=name, **style)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.legend(frameon=False)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.margins(x=0.04)
    ax.set_xlabel("epoch")
    ax.set_ylabel("norm of the gradient")
    _quiet(ax)
    return figure


def plot_beside_fixed(filters: np.ndarray, others: Mapping[str, np.ndarray] | None = None, channel=0, n_filters=12):
    """Draw learned filters above the Gabor filters nearest to them, with R², and above other banks.

    Parameters
    ----------
    filters : array of shape (F, c, k, k)
    others : dict of arrays of shape (F', c, k, k), optional
        Rows to draw below, by name, such as the start of the filters or a bank of the same size.
    channel : int
        Which channel of the filters is drawn.
    n_filters : int
        At most so many are drawn, the first ones.

    Returns
    -------
    matplotlib.figure.Figure
        A filter and its Gabor filter share one scale, so that a bad fit looks pale; in other rows each filter has
        its own.

    Examples
    --------
    >>> figure = plot_beside_fixed(np.random.default_rng(0).normal(size=(4, 1, 5, 5)))
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['learned', 'nearest Gabor']
    >>> pyplot.close(figure)
    """
    learned = np.asarray(filters, dtype=float)[:n_filters]
    learned = learned - learned.mean(axis=(2, 3), keepdims=True)
    fit = nearest_gabor(learned)
    sizes = _largest(learned[:, channel])
    rows = {"learned": learned[:, channel] / sizes, "nearest Gabor": fit.filters[:, channel] / sizes}
    for name, bank in (others or {}).items():
        planes = _planes(bank, channel, 4)[:n_filters]
        if planes.shape[1:] != learned.shape[2:]:
            raise ValueError(f"others[{name!r}] has filters of size {planes.shape[1:]}, not {learned.shape[2:]}.")
        planes = planes / _largest(planes)
        rows[name] = np.concatenate([planes, np.full((len(learned) - len(planes), *planes.shape[1:]), np.nan)])
    tiles = np.stack(list(rows.values()))
    figure = pyplot.figure(figsize=(2.0 + 0.7 * len(learned), 0.9 + 0.75 * len(rows)), layout="constrained")
    ax = figure.add_subplot()
    _tiles(ax, tiles, SIGNED, -1.0, 1.0)
    ax.set_yticks(_centres(len(rows)), list(rows))
    ax.set_xticks(_centres(len(learned)), [_short(r2) for r2 in fit.r2])
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xlabel("R² of the nearest Gabor filter", labelpad=8)
    return figure


def plot_saliency(
    images: np.ndarray,
    maps: Mapping[str, np.ndarray],
    randomised: Mapping[str, np.ndarray],
    correlations: Mapping[str, Sequence[float]] | None = None,
):
    """Draw images and their saliency maps, each beside that of a network which has lost its weights.

    Parameters
    ----------
    images : array of shape (n, h, w)
        One row each.
    maps, randomised : dict of arrays of shape (n, h, w)
        Nonnegative, see :func:`kernelopt.conv.saliency.heat`; both by the methods' names. Every map has its own scale.
    correlations : dict of sequences of n float, optional
        Rank correlations of each pair of maps, as from :func:`kernelopt.conv.saliency.randomisation_check`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the two dictionaries have different names.

    Examples
    --------
    >>> figure = plot_saliency(np.ones((2, 8, 8)), {"gradient": np.ones((2, 8, 8))}, {"gradient": np.ones((2, 8, 8))})
    >>> len(figure.axes)
    6
    >>> pyplot.close(figure)
    """
    if list(maps) != list(randomised):
        raise ValueError(f"maps has {list(maps)}, but randomised has {list(randomised)}: every map needs its check.")
    n, columns = len(images), 1 + 2 * len(maps)
    figure = pyplot.figure(figsize=(1.35 * columns, 0.6 + 1.35 * n), layout="constrained")
    axes = figure.subplots(n, columns, squeeze=False)
    for i in range(n):
        _picture(axes[i, 0], images[i], "gray")
        for k, name in enumerate(maps):
            pair = axes[i, 2 * k + 1], axes[i, 2 * k + 2]
            _picture(pair[0], maps[name][i], "magma", 0.0)
            _picture(pair[1], randomised[name][i], "magma", 0.0)
            if i == 0:
                pair[0].set_title(name, color=INK, fontsize="medium")
                pair[1].set_title("weights lost", color="0.45", fontsize="medium", style="italic")
            if correlations is not None:
                pair[1].set_xlabel(f"ρ = {correlations[name][i]:.2f}", color="0.45", fontsize="small", labelpad=2)
    axes[0, 0].set_title("image", color=INK, fontsize="medium")
    return figure


def plot_loss_surface(steps: np.ndarray, losses: np.ndarray):
    """Draw the contours of a loss surface, and its two cross-sections through the network.

    Parameters
    ----------
    steps : array of shape (n,)
    losses : array of shape (n, n)
        Both from :func:`kernelopt.conv.loss_surface.loss_surface`.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> steps = np.linspace(-1, 1, 5)
    >>> figure = plot_loss_surface(steps, 1 + steps[:, None] ** 2 + steps**2)
    >>> pyplot.close(figure)
    """
    figure = pyplot.figure(figsize=(8.6, 3.8), layout="constrained")
    plane, cut = figure.subplots(1, 2)
    low, high = float(losses.min()), float(losses.max())
    wide = low > 0 and high > 10 * low  # equal steps would show the rim alone
    levels = np.geomspace(low, high, 15) if wide else np.linspace(low, high + (high == low), 15)
    norm = BoundaryNorm(levels, pyplot.get_cmap(SIZES).N)
    drawn = plane.contourf(steps, steps, losses.T, levels, cmap=SIZES, norm=norm, extend="both")
    if high > low:
        plane.contour(steps, steps, losses.T, levels[1:-1], colors="white", linewidths=0.4)
    plane.plot(0, 0, "o", color="white", markeredgecolor="black", markersize=7)
    ground = {"boxstyle": "round,pad=0.2", "facecolor": "black", "alpha": 0.6, "linewidth": 0}
    plane.annotate("the network", (0, 0), xytext=(9, 7), textcoords="offset points", color="white", bbox=ground)
    plane.set_aspect("equal")
    plane.set_xlabel("first direction, in lengths of the filters")
    plane.set_ylabel("second direction")
    figure.colorbar(drawn, ax=plane, label="mean loss", ticks=levels[::2], format="{x:.2g}", extendfrac=0)
    centre = len(steps) // 2
    for name, values, colour, dash in [
        ("first", losses[:, centre], SHADES[0], DASHES[0]),
        ("second", losses[centre], SHADES[1], DASHES[1]),
    ]:
        cut.plot(steps, values, dash, color=colour, marker="o", markersize=3, label=f"along the {name} direction")
    cut.axvline(0, color="0.8", linewidth=1, zorder=0)
    cut.set_ylim(bottom=0)
    cut.set_xlabel("step")
    cut.set_ylabel("mean loss")
    cut.legend(frameon=False)
    _quiet(cut)
    return figure


def _planes(filters: np.ndarray, channel: int, ndim: int) -> np.ndarray:
    """Return one channel of filters (..., F, c, k, k)."""
    filters = np.asarray(filters, dtype=float)
    if filters.ndim != ndim or channel not in range(filters.shape[-3]):
        raise ValueError(
            f"filters has shape {filters.shape} and channel={channel!r}, but expected {ndim} axes, of which the "
            "third from the end holds the channel."
        )
    return filters[..., channel, :, :]


def _largest(planes: np.ndarray) -> np.ndarray:
    """Return the largest size of each plane's entries, to divide by: 1 for a plane of zeros."""
    sizes = np.abs(planes).max(axis=(1, 2), keepdims=True)
    return np.where(sizes > 0, sizes, 1.0)


def _tiles(ax, planes: np.ndarray, colours: str, least: float, most: float) -> Any:
    """Draw planes (rows, columns, h, w) as squares of side 1, at the centres of `_centres`."""
    for (row, column), _ in np.ndenumerate(planes[:, :, 0, 0]):
        left, top = column * (1 + GAP), row * (1 + GAP)
        image = ax.imshow(planes[row, column], colours, vmin=least, vmax=most, extent=(left, left + 1, top + 1, top))
        if np.isfinite(planes[row, column]).any():
            ax.add_patch(pyplot.Rectangle((left, top), 1, 1, fill=False, edgecolor="0.75", linewidth=0.6))
    ax.set_xlim(-GAP, planes.shape[1] * (1 + GAP))
    ax.set_ylim(planes.shape[0] * (1 + GAP), -GAP)
    ax.tick_params(length=0, labelcolor=INK)
    ax.spines[:].set_visible(False)
    ax.figure.get_layout_engine().set(w_pad=0.15)  # squares of a fixed shape leave the layout a little too narrow
    return image


def _centres(n: int) -> np.ndarray:
    return np.arange(n) * (1 + GAP) + 0.5


def _picture(ax, values: np.ndarray, colours: str, least: float | None = None, most: float | None = None) -> Any:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_color("0.75")
    return ax.imshow(values, colours, vmin=least, vmax=most)


def _quiet(ax) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="0.92")
    ax.set_axisbelow(True)


def _short(value: float) -> str:
    return f"{value:.2f}"
