"""The quadratic model of the Newton method, minimised over a kernel set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kernelopt.convex.sets import WeightProgram
from kernelopt.convex.sets.lp_ball import dual_norm
from kernelopt.convex.solvers.simplex_qp import simplex_qp
from kernelopt.convex.solvers.weight_blocks import Weights

# How near to a bound, how centred, and for how many steps: bold first, then with care where groups are nearly tied.
WAYS = ((0.995, 0.0, 25), (0.9, 0.1, 60), (0.7, 0.3, 120))
GOOD = 1e-6  # of the linear term: what a step may leave on a ball before it is taken again with care
SMALL = 1e-10  # of the model's size: where the barrier ends at the latest


def budget_row(program: WeightProgram) -> np.ndarray | None:
    """Return the positive r where the set is the simplex r'theta = 1 and no more, else None."""
    plain = program.price is None and not program.groups and not program.semidefinite and not program.radius
    if not plain or len(program.total) != 1 or program.total[0] != 1 or program.equalities.min() <= 0:
        return None
    return program.equalities[0]


def minimise_model(
    program: WeightProgram,
    mu: np.ndarray,
    q: np.ndarray,
    H: np.ndarray,
    W: np.ndarray,
    floor: float = 0.0,
    notable: float = 0.0,
    accuracy: float = SMALL,
) -> np.ndarray:
    r"""Minimise :math:`R(\theta) - q^\top(\theta - \mu) + \tfrac12 (\theta - \mu)^\top H (\theta - \mu)` over a set.

    Only the weights in W move, and `q`, `H` belong to them; the others are zero. On a simplex W may be any part of the
    kernels, elsewhere it must be all. There a weight above `notable` (a share of the budget) keeps at least the
    share `floor` of what it has: far from the optimum the model, which does not know that omega rises like 1/mu, would
    give up too much. Elsewhere the model is minimised to `accuracy`, relative to its size.
    """
    row = budget_row(program)
    if row is None:
        return minimise_by_barrier(program, mu, q, H, accuracy)
    share, target = 1 / row[W], np.zeros_like(mu)
    Hx, x = share[:, None] * H * share, mu[W] / share
    x = x / x.sum()
    kept = floor * x * (x > notable)
    rest = 1 - float(kept.sum())
    moving = simplex_qp(rest**2 * Hx, rest * (-share * q + Hx @ (kept - x)), x)
    target[W] = share * (kept + rest * moving)
    return target


def minimise_by_barrier(
    program: WeightProgram, mu: np.ndarray, q: np.ndarray, H: np.ndarray, accuracy: float = SMALL
) -> np.ndarray:
    """Minimise the model over any set of weights by the interior-point method's minimiser, all of it known."""
    if program.price and mu.max() > 0:  # the price alone sets the scale, and mu knows it
        program = replace(program, start=np.maximum(mu, 1e-4 * mu.max()))
    for way in WAYS:
        best = _barrier(program, mu, q, H, accuracy, *way)
        # A large C multiplies whatever lies outside the set, and the barrier leaves its tolerance there.
        if program.price and len(program.total) == 1:  # the sum to the last digit
            best = best * (program.total[0] / float(program.equalities[0] @ best))
        best = best / max(1.0, sum(float(np.linalg.norm(best[index], program.p)) for index in program.groups))
        downhill = q - H @ (best - mu)
        ahead = [dual_norm(downhill[index], program.p) for index in program.groups]
        if not ahead or max(ahead) - float(downhill @ best) <= max(GOOD, 100 * accuracy) * float(np.abs(q) @ best):
            break
    return best


def _barrier(
    program: WeightProgram,
    mu: np.ndarray,
    q: np.ndarray,
    H: np.ndarray,
    accuracy: float,
    to_the_wall: float,
    centred: float,
    steps: int,
) -> np.ndarray:
    """Return where the barrier ends."""
    weights = Weights(program, None)
    theta = np.abs(weights.theta)
    price = float(np.abs(program.price.gradient(weights.theta)) @ theta) if program.price else 0.0
    size = max(float(np.abs(q) @ theta), float(weights.theta @ H @ weights.theta), price, 1e-300)
    weights.warm(size)
    still = np.zeros(len(mu))
    for _ in range(steps):
        weights.prepare(q - H @ (weights.theta - mu), H)
        average = weights.products_sum() / max(weights.count, 1)
        off = float(np.abs(weights.gradient).max()) * float(np.abs(weights.y).max())
        if max(average * weights.count, off) <= accuracy * size:
            break
        weights.direct(still, 0.0, False)
        reach = min(1.0, to_the_wall * weights.reach())
        after = weights.products_after(reach) / max(weights.count, 1)
        tau = average * max(centred, min(1.0, max(after / average, 0.0)) ** 3) if average > 0 else 0.0
        weights.direct(still, tau, True)
        step = min(1.0, to_the_wall * weights.reach())
        if not np.isfinite(step) or step < 1e-10:
            break
        weights.move(step)
    return weights.theta
