"""Filter banks from image patches, without labels: patches themselves, principal components, whitening, k-means."""

from __future__ import annotations

import numpy as np

from kernelopt.conv.bank_parts import centred, need_at_most, unit

N_PATCHES = 10_000  # patches drawn at most


def patch_pca(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Principal components of image patches: unit eigenvectors of their covariance, largest first.

    The sign of an eigenvector is free; here its entry of largest size is positive.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        At most ``channels * kernel_size**2`` filters.
    images : array of shape (n, channels, h, w)
        Training images.
    random_state : int, sequence of int, Generator or None
        Seed of the choice of patches, when there are too many.

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    T.-H. Chan et al.: PCANet: a simple deep learning baseline for image classification? TIP 24, 2015.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).cumsum(axis=3)
    >>> patch_pca(4, 3, images=images, random_state=0).shape
    (4, 1, 3, 3)
    """
    need_at_most("patch_pca", n_filters, channels * kernel_size**2, f"size {kernel_size}, channels {channels}")
    patches = draw_patches("patch_pca", images, kernel_size, channels, np.random.default_rng(random_state))
    vectors = _spectrum(patches)[1][:, ::-1].T[:n_filters]
    peak = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return (vectors * np.sign(peak)).reshape(n_filters, channels, kernel_size, kernel_size)


def whitening(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Principal components of patches scaled to responses of variance one, each with its negative.

    .. math:: \pm \frac{v_i}{\sqrt{\max(\lambda_i, \epsilon)}}, \qquad \Sigma v_i = \lambda_i v_i, \qquad
              \lambda_1 \ge \lambda_2 \ge \ldots

    with the patches' covariance :math:`\Sigma` and :math:`\epsilon` a thousandth of its mean eigenvalue. A rectifier
    or its like keeps one side of each response, so it takes both filters to keep all of it. First come the
    positive ones, as many as half of the filters, rounded up.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        At most ``2 * channels * kernel_size**2`` filters.
    images : array of shape (n, channels, h, w)
        Training images.
    random_state : int, sequence of int, Generator or None
        Seed of the choice of patches, when there are too many.

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    Raises
    ------
    ValueError
        If all patches are equal.

    References
    ----------
    K. Jordan: 94% on CIFAR-10 in 3.29 seconds on a single GPU. 2024.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).cumsum(axis=3)
    >>> W = whitening(8, 2, images=images)
    >>> bool((W[4:] == -W[:4]).all())
    True
    """
    n_sides = 2 * channels * kernel_size**2
    need_at_most("whitening", n_filters, n_sides, f"size {kernel_size}, channels {channels}")
    patches = draw_patches("whitening", images, kernel_size, channels, np.random.default_rng(random_state))
    values, vectors = _spectrum(patches)
    if not values.sum() > 0:
        raise ValueError("bank='whitening' whitens what varies, but all patches of the images are equal.")
    peak = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    W = (vectors * np.sign(peak) / np.sqrt(np.maximum(values, 1e-3 * values.mean())))[:, ::-1].T
    half = (n_filters + 1) // 2
    return np.concatenate([W[:half], -W[: n_filters - half]]).reshape(n_filters, channels, kernel_size, kernel_size)


def zca(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Whitening of patches by the symmetric matrix nearest the identity, one filter per entry of a patch.

    .. math:: W = V \max(\Lambda, \epsilon)^{-1/2} V^\top, \qquad \Sigma = V \Lambda V^\top,

    with the patches' covariance :math:`\Sigma` and :math:`\epsilon` a thousandth of its mean eigenvalue. All filters
    together turn patches into points of covariance :math:`W \Sigma W = I`, except along directions
    in which they hardly vary, and which would only be amplified noise. Filters keep this scale. They come in
    the order of their pixel's distance from the centre; filter 0 says how a centre differs from what surrounds it.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        At most ``channels * kernel_size**2`` filters.
    images : array of shape (n, channels, h, w)
        Training images.
    random_state : int, sequence of int, Generator or None
        Seed of the choice of patches, when there are too many.

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    Raises
    ------
    ValueError
        If all patches are equal.

    References
    ----------
    A. J. Bell, T. J. Sejnowski: The "independent components" of natural scenes are edge filters. Vision
    Research 37, 1997.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).cumsum(axis=3)
    >>> W = zca(9, 3, images=images)
    >>> int(np.abs(W[0, 0]).argmax())
    4
    """
    need_at_most("zca", n_filters, channels * kernel_size**2, f"size {kernel_size}, channels {channels}")
    patches = draw_patches("zca", images, kernel_size, channels, np.random.default_rng(random_state))
    values, vectors = _spectrum(patches)
    if not values.sum() > 0:
        raise ValueError("bank='zca' whitens what varies, but all patches of the images are equal.")
    W = (vectors / np.sqrt(np.maximum(values, 1e-3 * values.mean()))) @ vectors.T
    v, u = np.mgrid[:kernel_size, :kernel_size] - (kernel_size - 1) / 2
    order = np.argsort(np.tile((u**2 + v**2).ravel(), channels), kind="stable")[:n_filters]
    return W[order].reshape(n_filters, channels, kernel_size, kernel_size)


def random_patches(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Patches of the training images drawn by chance, whitened.

    As :func:`kmeans` with the points themselves in place of the centroids: a patch's filter is the one to
    which, of all normalised patches whose whitened norm is the same, that very patch answers most.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
    images : array of shape (n, channels, h, w)
        Training images.
    random_state : int, sequence of int, Generator or None
        Seed of the choice of patches.

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    A. Coates, A. Y. Ng: The importance of encoding versus training with sparse coding and vector
    quantization. ICML 2011.
    L. Thiry, M. Arbel, E. Belilovsky, E. Oyallon: The unreasonable effectiveness of patches in deep convolutional
    kernels methods. ICLR 2021.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).cumsum(axis=3)
    >>> random_patches(4, 3, images=images, random_state=0).shape
    (4, 1, 3, 3)
    """
    rng = np.random.default_rng(random_state)
    points, whiten = _whitened("random_patches", n_filters, kernel_size, channels, images, rng)
    chosen = points[rng.choice(len(points), n_filters, replace=False)]
    return unit(centred((chosen @ whiten).reshape(n_filters, channels, kernel_size, kernel_size)))


def kmeans(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Centroids of whitened patches, by spherical k-means.

    Each patch :math:`x` loses its mean and is divided by its standard deviation, then whitened:
    :math:`P(x - \bar x)` with :math:`P = (\Sigma + \epsilon I)^{-1/2}`. The unit centroids D of
    these points become filters PD on the original patches, since
    :math:`\langle D, P x \rangle = \langle P D, x \rangle`; finally zero-mean and unit-norm.
    The offset and the division by a patch's own contrast are not part of a linear filter and are left out.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
    images : array of shape (n, channels, h, w)
        Training images.
    random_state : int, sequence of int, Generator or None
        Seed of the choice of patches and of the first centroids.

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    A. Coates, A. Y. Ng: Learning feature representations with k-means. Neural Networks: Tricks of
    the Trade, 2012.

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(10, 1, 8, 8)).cumsum(axis=3)
    >>> kmeans(4, 3, images=images, random_state=0).shape
    (4, 1, 3, 3)
    """
    rng = np.random.default_rng(random_state)
    points, whiten = _whitened("kmeans", n_filters, kernel_size, channels, images, rng)
    centroids = _spherical_kmeans(points, n_filters, rng)
    return unit(centred((centroids @ whiten).reshape(n_filters, channels, kernel_size, kernel_size)))


def _whitened(bank: str, n_filters: int, kernel_size: int, channels: int, images, rng: np.random.Generator):
    """Return normalised patches as whitened points, and the symmetric matrix that whitened them."""
    patches = draw_patches(bank, images, kernel_size, channels, rng)
    patches = patches - patches.mean(axis=1, keepdims=True)
    contrast = patches.std(axis=1, keepdims=True)
    patches, contrast = patches[contrast[:, 0] > 0], contrast[contrast > 0][:, None]
    need_at_most(bank, n_filters, len(patches), "patches that are not constant")
    patches /= np.hypot(contrast, 0.1 * contrast.mean())
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(patches, rowvar=False)))
    whiten = (vectors / np.sqrt(np.maximum(values, 0) + 0.1 * values.mean())) @ vectors.T
    return (patches - patches.mean(axis=0)) @ whiten, whiten


def draw_patches(bank: str, images, kernel_size: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """Return at most ``N_PATCHES`` distinct patches as rows (patches, channels * kernel_size**2).

    Images smaller than the filter are padded with zeros until one patch fits.
    """
    if images is None:
        raise ValueError(f"bank={bank!r} is made from patches: pass training images (n, channels, h, w).")
    images = np.asarray(images, dtype=np.float64)
    if images.ndim != 4 or images.shape[1] != channels:
        raise ValueError(f"images has shape {images.shape}, but expected (n, {channels}, h, w).")
    missing = [max(0, kernel_size - side) for side in images.shape[2:]]
    images = np.pad(images, [(0, 0), (0, 0), *(((m // 2), m - m // 2) for m in missing)])
    all_patches = np.lib.stride_tricks.sliding_window_view(images, (kernel_size, kernel_size), axis=(2, 3))
    n, _, rows, cols = all_patches.shape[:4]
    total = n * rows * cols
    chosen = np.arange(total) if total <= N_PATCHES else rng.choice(total, N_PATCHES, replace=False)
    image, row, col = np.unravel_index(chosen, (n, rows, cols))
    return all_patches[image, :, row, col].reshape(len(chosen), -1)


def _spherical_kmeans(points: np.ndarray, n_clusters: int, rng: np.random.Generator, n_iter=20) -> np.ndarray:
    """Return unit centroids; a point belongs to the centroid of largest absolute inner product.

    A centroid without points keeps its place; the sum with the old centroid damps the first steps.
    """
    centroids = unit(points[rng.choice(len(points), n_clusters, replace=False)])
    for _ in range(n_iter):
        similarity = points @ centroids.T
        nearest = np.abs(similarity).argmax(axis=1)
        code = np.zeros_like(similarity)
        np.put_along_axis(code, nearest[:, None], np.take_along_axis(similarity, nearest[:, None], axis=1), axis=1)
        centroids = unit(code.T @ points + centroids)
    return centroids


def _spectrum(patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenvalues of the patches' covariance, ascending, and its eigenvectors, as columns."""
    return np.linalg.eigh(np.atleast_2d(np.cov(patches, rowvar=False, bias=True)))
