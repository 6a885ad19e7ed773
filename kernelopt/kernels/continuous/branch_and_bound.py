r"""The maximum of a difference of two decreasing sums over an interval, with a proof.

With :math:`u = \log \omega` and :math:`\gamma` a profile, :math:`g(u) = \sum_p W_p\, \gamma(e^{u + l_p})` over pairs p
with log-distances :math:`l_p` and weights of both signs. Three bounds make the proof:

- **compression**: pairs are sorted into bins of log-distance of width h, and :math:`g` is replaced by its Taylor
  polynomial of degree 5 around the bins' centres, whose remainder is below
  :math:`\sup |\partial_u^6 \gamma|\, \sum_p |W_p| |l_p - c_p|^6 / 6!`;
- **curvature**: on an interval of u, each bin's :math:`\partial_u^2 \gamma` lies between its values at the ends of the
  interval and at the critical points inside, so :math:`-g''` is at most a number B made of the positive and the
  negative weights; then g lies below the chord plus :math:`\tfrac B2 (u - u_0)(u_1 - u)`;
- **the rest**: an interval that begins at :math:`\omega = 0` adds one short piece on which the sums hardly move.

Intervals whose bound is above the best value known are split until none is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
from numpy.polynomial import Polynomial as Series
from scipy.optimize import brentq

ORDER = 6  # of the remainder of the compression
BIN = 0.02  # width of a bin in the logarithm of the distance
STEP = 0.1  # of the intervals that the search begins with
ROUNDING = 64 * float(np.finfo(float).eps)  # of the sum of |W|: what evaluating g in float64 may lose
BLOCK = 2**18  # numbers made at once
MOST = 200_000  # intervals
PEAKS = 8  # local maxima that are polished


class Profile:
    r"""A decreasing :math:`\gamma(t) = P(t) e^{-t}` with :math:`\gamma(0) = 1`, and its derivatives in :math:`\log t`.

    As :math:`t\, \partial_t (P e^{-t}) = t (P' - P) e^{-t}`, all of them have the same form.

    Parameters
    ----------
    P : numpy.polynomial.Polynomial
        The polynomial.

    Examples
    --------
    >>> Profile(Series([1.0])).derivatives[2].coef  # of exp(-t): (t² - t) exp(-t)
    array([ 0., -1.,  1.])
    """

    def __init__(self, P: Series):
        t = Series([0.0, 1.0])
        self.P = P
        self.derivatives = [P]
        for _ in range(ORDER + 1):
            self.derivatives.append(t * (self.derivatives[-1].deriv() - self.derivatives[-1]))
        self.bends = self.critical(2)  # where the curvature is extremal
        self.sup = float(np.max(np.abs(self.at(self.critical(ORDER), ORDER)))) * (1 + 1e-9)

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Return the profile."""
        decay = np.exp(-t)
        return decay if self.P.degree() == 0 else self.P(t) * decay

    def slope(self, t: np.ndarray) -> np.ndarray:
        """Return the derivative in t."""
        return (self.P.deriv() - self.P)(t) * np.exp(-t)

    def at(self, t: np.ndarray, order: int) -> np.ndarray:
        """Return the derivative of an order in log t."""
        return self.derivatives[order](t) * np.exp(-t)

    def critical(self, order: int) -> np.ndarray:
        """Return the t > 0 at which the derivative of this order has its extrema."""
        roots = self.derivatives[order + 1].roots()
        real = roots[np.abs(roots.imag) < 1e-7 * (1 + np.abs(roots))].real
        return np.sort(real[real > 1e-12])


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Distances of pairs sorted into bins of their logarithm.

    Parameters
    ----------
    centres : array of shape (b,)
        Log-distances in the middle of the bins that hold a pair.
    where : array of int, shape (pairs,)
        The bin of each pair; b for those at distance zero.
    off : array of shape (pairs,)
        Log-distance of each pair less its centre.
    """

    centres: np.ndarray
    where: np.ndarray
    off: np.ndarray

    @classmethod
    def of(cls, distances: np.ndarray) -> Spectrum:
        """Sort distances; those below the smallest normal number count as zero."""
        apart = distances > np.finfo(float).tiny
        logs = np.log(distances, out=np.zeros_like(distances), where=apart)
        cells = np.floor(logs / BIN).astype(np.int64)
        used, inverse = np.unique(cells[apart], return_inverse=True)
        where = np.full(len(distances), len(used))
        where[apart] = inverse
        centres = (used + 0.5) * BIN
        off = np.where(apart, logs - np.append(centres, 0.0)[where], 0.0)
        return cls(centres, where, off)

    @cached_property
    def powers(self) -> list[np.ndarray]:
        """The offsets to each power over its factorial."""
        return [self.off**k / factorial(k) for k in range(ORDER)]


@dataclass(frozen=True, eq=False)
class Compressed:
    r"""g on a spectrum: the bins' moments, masses of both signs, and how far it is from the sum over all pairs.

    Parameters
    ----------
    profile : Profile
        Its profile.
    centres : array of shape (b,)
        The bins.
    moments : array of shape (6, b)
        Sums of W times powers of the offsets, over factorials.
    plus, minus : arrays of shape (b,)
        Sums of the positive and of the negative weights' sizes.
    constant : float
        The part at distance zero.
    error : float
        By how much the compression and rounding may be off, for any u.
    """

    profile: Profile
    centres: np.ndarray
    moments: np.ndarray
    plus: np.ndarray
    minus: np.ndarray
    constant: float
    error: float

    @classmethod
    def of(cls, profile: Profile, spectrum: Spectrum, weights: np.ndarray, constant: float) -> Compressed:
        """Compress sums over the pairs of a spectrum."""
        b = len(spectrum.centres)

        def total(values: np.ndarray) -> np.ndarray:
            return np.bincount(spectrum.where, values, minlength=b + 1)

        moments = np.stack([total(weights * power) for power in spectrum.powers])
        constant += float(moments[0, b])
        mass = total(np.abs(weights))
        plus = 0.5 * (mass + moments[0])
        rest = float(np.abs(weights) @ spectrum.off**ORDER) / factorial(ORDER) * profile.sup
        error = rest + ROUNDING * (abs(constant) + float(mass.sum()))
        minus = np.maximum(mass - plus, 0.0)[:b]
        return cls(profile, spectrum.centres, moments[:, :b], np.maximum(plus, 0.0)[:b], minus, constant, error)

    def value(self, u: np.ndarray, order: int = 0) -> np.ndarray:
        """Return g or a derivative of it at each u, up to `error` for g itself."""
        out = np.empty(len(u))
        step = max(1, BLOCK // max(1, len(self.centres)))
        for at in range(0, len(u), step):
            t = np.exp(np.minimum(u[at : at + step, None] + self.centres, 700.0))
            decay = np.exp(-t)
            part = np.zeros(len(t))
            for k, moment in enumerate(self.moments):
                if k + order <= ORDER:
                    part += (self.profile.derivatives[k + order](np.minimum(t, 800.0)) * decay) @ moment
            out[at : at + step] = part
        return out + (self.constant if order == 0 else 0.0)

    def curvature(self, u0: np.ndarray, u1: np.ndarray) -> np.ndarray:
        """Return an upper bound of -g'' on each interval [u0, u1]."""
        out = np.empty(len(u0))
        step = max(1, BLOCK // max(1, len(self.centres)))
        for at in range(0, len(u0), step):
            left = np.exp(np.minimum(u0[at : at + step, None] + self.centres - BIN / 2, 6.6))  # beyond it all is zero
            right = np.exp(np.minimum(u1[at : at + step, None] + self.centres + BIN / 2, 6.7))
            ends = self.profile.at(left, 2), self.profile.at(right, 2)
            lowest, highest = np.minimum(*ends), np.maximum(*ends)
            for t, bend in zip(self.profile.bends, self.profile.at(self.profile.bends, 2), strict=True):
                inside = (left < t) & (t < right)
                lowest = np.where(inside, np.minimum(lowest, bend), lowest)
                highest = np.where(inside, np.maximum(highest, bend), highest)
            out[at : at + step] = highest @ self.minus - lowest @ self.plus
        return out + self.error

    def bounds(self, u0, u1, g0, g1) -> np.ndarray:
        """Return an upper bound of g on each interval, from its values at the ends."""
        B, h, rise = self.curvature(u0, u1), u1 - u0, g1 - g0
        t = np.clip(0.5 * h + rise / np.where(h * B > 0, h * B, np.inf), 0.0, h)
        bowed = g0 + rise * t / h + 0.5 * B * t * (h - t)
        return np.maximum(np.maximum(g0, g1), np.where(B > 0, bowed, -np.inf)) + self.error


@dataclass(frozen=True, eq=False)
class Found:
    """Local maxima, the largest first, an upper bound over the interval, and how many pieces the proof took."""

    bound: float
    omegas: np.ndarray
    values: np.ndarray
    intervals: int


def certified_maximum(
    profile: Profile, spectrum: Spectrum, weights: np.ndarray, constant: float, low: float, high: float, tol: float
) -> Found:
    r"""Return the local maxima of :math:`\sum_p W_p \gamma(\omega d_p) + c` over [low, high], and a proven bound.

    Parameters
    ----------
    profile : Profile
        The decreasing function.
    spectrum : Spectrum
        The distances.
    weights : array of shape (pairs,)
        W, of any sign.
    constant : float
        c.
    low, high : float
        Nonnegative ends of the interval.
    tol : float
        The bound is at most this much, relative, above the largest value (rounding aside).

    Examples
    --------
    >>> spectrum = Spectrum.of(np.array([1.0, 3.0]))
    >>> weights = np.array([2.0, -3.0])
    >>> found = certified_maximum(Profile(Series([1.0])), spectrum, weights, 0.0, 0.01, 100.0, 1e-9)
    >>> [round(float(found.omegas[0]), 4), round(found.bound, 4)]  # exp(2 w) = 4.5
    [0.752, 0.6285]
    """
    g = Compressed.of(profile, spectrum, weights, constant)
    if len(g.centres) == 0:
        return Found(g.constant + g.error, np.array([high]), np.array([g.constant]), 0)
    bottom = np.log(low) if low > 0 else min(np.log(1e-10) - float(g.centres[-1]), np.log(high) - 1.0)
    top = np.log(high)
    u = np.linspace(bottom, top, max(2, int(np.ceil((top - bottom) / STEP)) + 1))
    values = g.value(u)
    peaks, heights = _peaks(g, u, values)
    omegas = np.clip(np.exp(peaks), low, high)
    bound = -np.inf
    if low == 0:  # below the first u the negative part can lose at most what it loses there
        at_zero = g.constant + float(g.moments[0].sum())
        lost = 1.0 - profile(np.exp(u[0] + g.centres + BIN / 2))
        bound = at_zero + float(g.minus @ lost) + g.error
        omegas, heights = np.append(omegas, 0.0), np.append(heights, at_zero)
    best = float(heights.max())
    limit = best + tol * abs(best) + 2 * g.error
    bound = max(bound, best + g.error)
    u0, u1, g0, g1 = u[:-1], u[1:], values[:-1], values[1:]
    count = 0
    while len(u0):
        above = g.bounds(u0, u1, g0, g1)
        count += len(u0)
        done = (above <= limit) | (u1 - u0 < 1e-9)
        if count > MOST:
            done[:] = True
        bound = max(bound, float(above[done].max(initial=-np.inf)))
        u0, u1, g0, g1 = (part[~done] for part in (u0, u1, g0, g1))
        middle = 0.5 * (u0 + u1)
        between = g.value(middle)
        u0, u1 = np.concatenate([u0, middle]), np.concatenate([middle, u1])
        g0, g1 = np.concatenate([g0, between]), np.concatenate([between, g1])
    order = np.argsort(-heights)
    return Found(bound, omegas[order], heights[order], count)


def _peaks(g: Compressed, u: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the local maxima on a grid, polished by the root of the derivative between its neighbours."""
    padded = np.pad(values, 1, constant_values=-np.inf)
    where = np.flatnonzero((padded[1:-1] > padded[:-2]) & (padded[1:-1] >= padded[2:]))
    where = where[np.argsort(-values[where])][:PEAKS]

    def slope(x: float) -> float:
        return float(g.value(np.array([x]), 1)[0])

    found = u[where].copy()
    for at, k in enumerate(where.tolist()):
        left, right = u[max(k - 1, 0)], u[min(k + 1, len(u) - 1)]
        if slope(left) > 0 > slope(right):
            found[at] = brentq(slope, left, right, xtol=1e-12)
    heights = g.value(found)
    keep = heights >= values[where]
    return np.where(keep, found, u[where]), np.where(keep, heights, values[where])
