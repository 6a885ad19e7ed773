"""SimpleMKL: reduced gradient, and a golden section search with machines inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from experiments.benchmarks.baselines.walk import Baseline, Point, Walk

GOLDEN = (np.sqrt(5) - 1) / 2


def descent_direction(mu: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return the reduced gradient's direction on the simplex, eq. (12) of the paper; zero at an optimum.

    The largest weight pays for the others. A weight of zero stays where decreasing it would help.

    Examples
    --------
    >>> descent_direction(np.array([0.6, 0.4, 0.0]), np.array([0.0, -1.0, 2.0]))
    array([-1.,  1.,  0.])
    """
    payer = int(np.argmax(mu))
    reduced = gradient - gradient[payer]
    direction = np.where((mu <= 0) & (reduced > 0), 0.0, -reduced)
    direction[payer] = 0.0
    direction[payer] = -direction.sum()
    return direction


def longest_step(mu: np.ndarray, direction: np.ndarray) -> tuple[float, int]:
    """Return how far the direction leads within the simplex, and which weight is zero there."""
    falling = np.flatnonzero(direction < 0)
    steps = -mu[falling] / direction[falling]
    first = int(np.argmin(steps))
    return float(steps[first]), int(falling[first])


def moved(mu: np.ndarray, step: float, direction: np.ndarray) -> np.ndarray:
    """Return the weights a step further, with rounding kept off the simplex's faces."""
    mu = mu + step * direction
    mu[mu < 1e-15] = 0.0
    return mu / mu.sum()


@dataclass(frozen=True)
class SimpleMKL(Baseline):
    r"""The reduced gradient method of [rakotomamonjy2008]_.

    :math:`J(\mu) = \omega(K(\mu))` has :math:`\partial_k J = -q_k`. From the direction of `descent_direction` the
    method goes to the end of the admissible segment while J falls, each time setting one weight to zero, and then
    searches the last segment by golden section, a cold machine for each of its points. Where the search finds
    nothing, its precision rises tenfold. The paper stops on :math:`\max_k s_k - \sum_k \mu_k s_k`, twice the gap;
    here, as all methods do, it stops on the relative gap itself. (Eq. (14) of the paper should read
    :math:`\xi^* \ge 0`.)

    Parameters
    ----------
    tol, max_iter, time_limit
        See `Baseline`.

    References
    ----------
    .. [rakotomamonjy2008] Rakotomamonjy, Bach, Canu, Grandvalet. SimpleMKL. JMLR 9, 2008.

    Examples
    --------
    >>> from kernelopt.convex import Hinge, Problem, Simplex
    >>> y = np.array([1.0, 1.0, -1.0, -1.0])
    >>> task = Problem.of([np.outer(y, y), np.eye(4)], y, Hinge(C=1.0), Simplex())
    >>> SimpleMKL(tol=1e-4).solve(task).certificate.holds(1e-4)
    True
    """

    def run(self, walk: Walk) -> None:
        """Descend until the gap closes, or no precision of the search finds a descent."""
        point, precision = walk.at(walk.start), 0.1
        while walk.open:
            lower = self.descend(walk, point, precision)
            if lower.value < point.value:
                point = lower
                continue
            precision *= 0.1
            if precision < 1e-8:
                walk.stalled = "the line search found no descent"
                break

    def descend(self, walk: Walk, point: Point, precision: float) -> Point:
        """Return the lowest point on the way that the direction leads."""
        direction, payer = descent_direction(point.mu, -point.q), int(np.argmax(point.mu))
        while np.any(direction < 0):
            step, leaving = longest_step(point.mu, direction)
            if step <= 0:
                return point
            end = walk.at(moved(point.mu, step, direction))
            if end.value >= point.value or not walk.open:
                return self.search(walk, point, end, step, direction, precision)
            # The weight that reached zero leaves, and the payer takes over its share of the direction.
            direction[leaving] = 0.0
            payer = int(np.argmax(end.mu)) if leaving == payer else payer
            direction[payer] -= direction.sum()
            point = end
        return point

    def search(
        self, walk: Walk, point: Point, end: Point, step: float, direction: np.ndarray, precision: float
    ) -> Point:
        """Narrow the bracket [0, step] by golden section."""
        low, high, best = 0.0, step, min(point, end, key=lambda p: p.value)
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        at_left: Point | None = None
        at_right: Point | None = None
        while high - low > precision * step and walk.open:
            at_left = at_left or walk.at(moved(point.mu, left, direction))
            at_right = at_right or walk.at(moved(point.mu, right, direction))
            best = min(best, at_left, at_right, key=lambda p: p.value)
            if at_left.value < at_right.value:
                high, right, at_right = right, left, at_left
                left, at_left = high - GOLDEN * (high - low), None
            else:
                low, left, at_left = left, right, at_right
                right, at_right = low + GOLDEN * (high - low), None
        return best
