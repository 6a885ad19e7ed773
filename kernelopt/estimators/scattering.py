"""Scattering coefficients as a scikit-learn transformer: two layers of wavelets, nothing learned."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from kernelopt.conv.images import validate_images
from kernelopt.conv.scattering import scattering, scattering_paths

MEMORY = 2**27  # bytes of spectra held at once


class ScatteringTransform(TransformerMixin, BaseEstimator):
    r"""Features of images that change little when these are shifted or slightly deformed.

    .. math:: x \star \phi_J, \qquad |x \star \psi_{j \theta}| \star \phi_J, \qquad
              \bigl| |x \star \psi_{j \theta}| \star \psi_{j' \theta'} \bigr| \star \phi_J \quad (j < j'),

    at every :math:`2^J`-th pixel, with Morlet wavelets :math:`\psi` of J scales and L directions; see
    :func:`kernelopt.conv.scattering.scattering`. It is a convolutional network of two layers with fixed filters.

    Parameters
    ----------
    J : int
        Number of scales; features are averages over about 2**J pixels.
    L : int
        Number of directions.
    order : {1, 2}
        Number of layers.
    image_shape, image_format
        How `X` holds images; see :func:`kernelopt.conv.images.as_images`.

    Attributes
    ----------
    image_shape_ : tuple of int
        (channels, height, width) of the training images.
    n_features_in_ : int

    Raises
    ------
    ValueError
        In fit, if a parameter or the images are not valid.

    References
    ----------
    J. Bruna, S. Mallat: Invariant scattering convolution networks. PAMI 35, 2013.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> ScatteringTransform(J=1, L=6).fit_transform(load_digits().images[:9]).shape
    (9, 112)
    """

    def __init__(self, J=2, L=8, order=2, image_shape="auto", image_format="auto"):
        self.J = J
        self.L = L
        self.order = order
        self.image_shape = image_shape
        self.image_format = image_format

    def fit(self, X, y=None):
        """Check the parameters and the shape of the images; nothing is learned.

        Parameters
        ----------
        X : array of shape (n, h, w), (n, h, w, c), (n, c, h, w) or (n, d)
        y : ignored

        Returns
        -------
        self
        """
        scattering_paths(self.J, self.L, self.order)
        validate_images(self, X, reset=True)
        return self

    def transform(self, X):
        """Return the features (n, d), ordered by channel, path, row and column."""
        check_is_fitted(self)
        images = validate_images(self, X, reset=False)
        c, h, w = images.shape[1:]
        held = 16 * c * (1 + self.J * self.L) * (h + 3 * 2**self.J) * (w + 3 * 2**self.J)
        step = max(1, MEMORY // held)
        parts = [
            scattering(images[i : i + step], self.J, self.L, self.order).reshape(len(images[i : i + step]), -1)
            for i in range(0, len(images), step)
        ]
        return np.concatenate(parts)

    def get_feature_names_out(self, input_features=None):
        """Return names such as ``scattering0_0.3_1.2_4_5``: channel 0, path ((0, 3), (1, 2)), row 4, column 5.

        Parameters
        ----------
        input_features : array-like of str or None
            Checked against the names of `fit`, otherwise unused.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features, generate_names=False)
        c, h, w = self.image_shape_
        rows, columns = -(-h // 2**self.J), -(-w // 2**self.J)
        names = [
            "_".join([f"scattering{channel}", *(f"{j}.{i}" for j, i in path), f"{row}_{column}"])
            for channel in range(c)
            for path in scattering_paths(self.J, self.L, self.order)
            for row in range(rows)
            for column in range(columns)
        ]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
