"""Fixed filters as a scikit-learn transformer: the untrained convolutional layer, in NumPy."""

from __future__ import annotations

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from kernelopt.conv.banks import make_bank
from kernelopt.conv.images import validate_images, windows

MEMORY = 2**25  # bytes of windows held at once


class FilterBank(TransformerMixin, BaseEstimator):
    r"""Features of images from filters that are never trained.

    .. math:: \phi_{f, g}(x) = \operatorname{mean}_{p \in g} \max(0, (W_f \star x)(p))

    for every filter f and every cell g of a small grid laid over the image: correlation with "same"
    zero padding, rectification, and the mean over the cell. The filters come from a formula, from
    chance or from the training images without their labels.

    Parameters
    ----------
    bank : str or callable
        From formulas "sobel", "prewitt", "scharr", "laplacian", "lines", "gabor", "morlet", "dct"; from chance
        "random"; from patches "random_patches", "patch_pca", "zca", "kmeans"; or a function like those of
        ``kernelopt.conv.banks``.
    n_filters : int
    kernel_size : int
        Side of the filters.
    grid : int
        Cells per side; a side of fewer pixels has as many cells as pixels. Where the cells do not
        divide the side, some are one pixel longer.
    image_shape, image_format
        How `X` holds images; see :func:`kernelopt.conv.images.as_images`.
    random_state : int, RandomState or None
        Seed of random filters and of the choice of patches.

    Attributes
    ----------
    filters_ : array of shape (n_filters, c, kernel_size, kernel_size)
    image_shape_ : tuple of int
        (channels, height, width) of the training images.
    n_features_in_ : int

    Raises
    ------
    ValueError
        In fit, if a parameter or the images are not valid or the bank has too few filters.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> images = load_digits().images
    >>> FilterBank("gabor", n_filters=16, grid=4).fit_transform(images).shape
    (1797, 256)
    """

    def __init__(
        self,
        bank="gabor",
        n_filters=16,
        kernel_size=5,
        grid=4,
        image_shape="auto",
        image_format="auto",
        random_state=None,
    ):
        self.bank = bank
        self.n_filters = n_filters
        self.kernel_size = kernel_size
        self.grid = grid
        self.image_shape = image_shape
        self.image_format = image_format
        self.random_state = random_state

    def fit(self, X, y=None):
        """Compute the filters.

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
        y : ignored

        Returns
        -------
        self
        """
        for name in ("n_filters", "kernel_size", "grid"):
            check_scalar(getattr(self, name), name, Integral, min_val=1)
        images = validate_images(self, X, reset=True)
        seed = int(check_random_state(self.random_state).randint(2**31))
        self.filters_ = make_bank(
            self.bank, self.n_filters, self.kernel_size, images.shape[1], images, random_state=seed
        )
        return self

    def transform(self, X):
        """Return the features, of shape (n, n_filters * cells), ordered by filter, row and column."""
        check_is_fitted(self)
        images = validate_images(self, X, reset=False)
        n, c, h, w = images.shape
        rows, columns = _averager(h, self.grid), _averager(w, self.grid)
        flat_filters = self.filters_.reshape(len(self.filters_), -1)
        out = np.empty((n, len(flat_filters), len(rows), len(columns)))
        step = max(1, MEMORY // (8 * h * w * flat_filters.shape[1]))
        for first in range(0, n, step):
            batch = windows(images[first : first + step].astype(np.float64), self.kernel_size)
            patches = batch.transpose(0, 2, 3, 1, 4, 5).reshape(-1, flat_filters.shape[1])
            maps = np.maximum(patches @ flat_filters.T, 0).reshape(len(batch), h, w, -1)
            out[first : first + step] = rows @ np.moveaxis(maps, -1, 1) @ columns.T
        return out.reshape(n, -1)

    def get_feature_names_out(self, input_features=None):
        """Return names such as ``gabor3_0_2``: filter 3, cell in row 0 and column 2.

        Parameters
        ----------
        input_features : array-like of str or None
            Checked against the names of `fit`, otherwise unused.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        name = self.bank if isinstance(self.bank, str) else getattr(self.bank, "__name__", "filter")
        _, h, w = self.image_shape_
        cells = np.ndindex(len(self.filters_), min(self.grid, h), min(self.grid, w))
        return np.array([f"{name}{f}_{row}_{column}" for f, row, column in cells], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _averager(side: int, grid: int) -> np.ndarray:
    """Return the matrix (cells, side) that averages a line of pixels over consecutive cells."""
    cell = np.arange(side) * min(grid, side) // side
    member = cell == np.arange(min(grid, side))[:, np.newaxis]
    return member / member.sum(axis=1, keepdims=True)
