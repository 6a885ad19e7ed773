"""Filter banks from calculus: first derivatives, second derivatives and lines, in many directions."""

from __future__ import annotations

import numpy as np

from kernelopt.conv.bank_parts import binomial, centred, need_size, over_channels, pixel_grid


def sobel(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Derivatives in `n_filters` directions spread evenly over the circle, smoothed by binomials.

    .. math:: W_i = \cos\theta_i \, s d^\top + \sin\theta_i \, d s^\top, \qquad \theta_i = 2 \pi i / n,

    with the binomial smoother :math:`s` and its derivative :math:`d`; for size 3 these are (1, 2, 1)
    and (-1, 0, 1), so direction 0 is Sobel's classical filter. All filters are combinations of two
    (they are steerable): any number exists, and it is the rectifier after them that tells them apart.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 2.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    W. T. Freeman, E. H. Adelson: The design and use of steerable filters. PAMI 13, 1991.

    Examples
    --------
    >>> np.round(sobel(1, 3)[0, 0] * 12**0.5)
    array([[-1.,  0.,  1.],
           [-2.,  0.,  2.],
           [-1.,  0.,  1.]])
    """
    need_size("sobel", kernel_size, 2)
    half = binomial(kernel_size - 1)
    return _steered(np.convolve(half, [1, 1]), np.convolve(half, [-1, 1]), n_filters, channels)


def prewitt(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Slopes of the plane that fits the pixels best, in `n_filters` directions spread evenly over the circle.

    As :func:`sobel` with the flat smoother :math:`s = (1, \dots, 1)` and :math:`d_u = u`, the distance from the
    centre; for size 3 these are (1, 1, 1) and (-1, 0, 1).

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 2.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    J. M. S. Prewitt: Object enhancement and extraction. Picture Processing and Psychopictorics, 1970.

    Examples
    --------
    >>> np.round(prewitt(1, 3)[0, 0] * 6**0.5)
    array([[-1.,  0.,  1.],
           [-1.,  0.,  1.],
           [-1.,  0.,  1.]])
    """
    need_size("prewitt", kernel_size, 2)
    return _steered(np.ones(kernel_size), np.arange(kernel_size) - (kernel_size - 1) / 2, n_filters, channels)


def scharr(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Derivatives whose direction is most nearly right at all angles, in `n_filters` directions.

    As :func:`sobel` with the smoother (3, 10, 3); larger sizes are smoothed further by a binomial.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 3.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    H. Scharr: Optimal operators in digital image processing. Dissertation, Heidelberg 2000.

    Examples
    --------
    >>> np.round(scharr(1, 3)[0, 0] * 236**0.5)
    array([[ -3.,   0.,   3.],
           [-10.,   0.,  10.],
           [ -3.,   0.,   3.]])
    """
    need_size("scharr", kernel_size, 3)
    wide = binomial(kernel_size - 2)
    return _steered(np.convolve(wide, [3, 10, 3]), np.convolve(wide, [-1, 0, 1]), n_filters, channels)


def laplacian(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Sums of second derivatives: spots, whatever their direction.

    .. math:: W_i = (1 - \gamma_i) \begin{pmatrix} 0 & 1 & 0 \\ 1 & -4 & 1 \\ 0 & 1 & 0 \end{pmatrix}
              + \gamma_i \begin{pmatrix} 1/2 & 0 & 1/2 \\ 0 & -2 & 0 \\ 1/2 & 0 & 1/2 \end{pmatrix},

    with :math:`\gamma_i` evenly from 0 (four neighbours) to 2/3 (all eight neighbours alike); each is a
    consistent Laplacian, and 1/3 the most isotropic. Larger sizes are smoothed by a binomial.

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 3.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    T. Lindeberg: Scale-space for discrete signals. PAMI 12, 1990.

    Examples
    --------
    >>> np.round(laplacian(2, 3)[:, 0] * np.sqrt([[[20]], [[72]]]))
    array([[[ 0.,  1.,  0.],
            [ 1., -4.,  1.],
            [ 0.,  1.,  0.]],
    <BLANKLINE>
           [[ 1.,  1.,  1.],
            [ 1., -8.,  1.],
            [ 1.,  1.,  1.]]])
    """
    need_size("laplacian", kernel_size, 3)
    along = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=float)
    across = np.array([[1, 0, 1], [0, -4, 0], [1, 0, 1]]) / 2
    gamma = np.linspace(0, 2 / 3, n_filters)[:, None, None]
    smoother = np.outer(binomial(kernel_size - 2), binomial(kernel_size - 2))
    planes = np.zeros((n_filters, kernel_size, kernel_size))
    for (row, column), weight in np.ndenumerate(smoother):
        planes[:, row : row + 3, column : column + 3] += weight * ((1 - gamma) * along + gamma * across)
    return over_channels(planes, channels)


def lines(n_filters, kernel_size, channels=1, images=None, random_state=None) -> np.ndarray:
    r"""Straight lines through the centre, one pixel wide, on a darker ground.

    .. math:: W_i(u, v) = \max\Bigl(0, 1 - \frac{|u \sin\theta_i - v \cos\theta_i|}{
              \max(|\sin\theta_i|, |\cos\theta_i|)}\Bigr) - \text{mean}, \qquad \theta_i = \pi i / n

    For size 3 and four directions these are the classical line detectors, such as rows of (-1, 2, -1).

    Parameters
    ----------
    n_filters, kernel_size, channels : int
        Size at least 3.
    images, random_state : ignored

    Returns
    -------
    array of shape (n_filters, channels, kernel_size, kernel_size)

    References
    ----------
    R. C. Gonzalez, R. E. Woods: Digital Image Processing, section on line detection.

    Examples
    --------
    >>> np.round(lines(4, 3)[:2, 0] * 18**0.5)
    array([[[-1., -1., -1.],
            [ 2.,  2.,  2.],
            [-1., -1., -1.]],
    <BLANKLINE>
           [[ 2., -1., -1.],
            [-1.,  2., -1.],
            [-1., -1.,  2.]]])
    """
    need_size("lines", kernel_size, 3)
    u, v = pixel_grid(kernel_size)
    angles = np.pi * np.arange(n_filters)[:, None, None] / n_filters
    sin, cos = np.sin(angles), np.cos(angles)
    distance = np.abs(u * sin - v * cos) / np.maximum(np.abs(sin), np.abs(cos))
    return over_channels(centred(np.maximum(0, 1 - distance)), channels)


def _steered(smooth: np.ndarray, slope: np.ndarray, n_filters: int, channels: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(n_filters)[:, None, None] / n_filters
    return over_channels(np.cos(angles) * np.outer(smooth, slope) + np.sin(angles) * np.outer(slope, smooth), channels)
