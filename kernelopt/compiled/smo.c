/* Sequential minimal optimisation: two variables at a time, chosen by the second-order gain.

       minimise  s'(K + D)s/2 - p's + tube |s|_1   subject to  lower <= s <= upper,  the sum of each group fixed.

   Which variables may move up or down is kept as two arrays that are added to the gradient (a huge number where a
   move is barred), so that the search for the best pair has no branches and runs at the width of the processor.
   A row of K that is not in the cache is mixed from stored kernels where there are any and room is left; otherwise it
   is asked of the caller. */
#include <math.h>

#include "core.h"

static const double BARRED = 1e300;
enum { LANES = 16, BLOCK = 256 };

/* What stands beside the gradient of variable i, for moves up and for moves down. */
static void mark(Smo *q, int64_t i) {
    const double s = q->s[i], tube = q->tube;
    q->up[i] = s < q->upper[i] ? (s >= 0.0 ? tube : -tube) : BARRED;
    q->down[i] = s > q->lower[i] ? (s > 0.0 ? tube : -tube) : -BARRED;
}

/* The smallest of g + up over a block. */
WIDE static double least(int64_t n, const double *RESTRICT g, const double *RESTRICT up) {
    double lane[LANES], out;
    int64_t j = 0;
    for (int l = 0; l < LANES; l++) lane[l] = 2 * BARRED;
    for (; j + LANES <= n; j += LANES)
        for (int l = 0; l < LANES; l++) {
            const double v = g[j + l] + up[j + l];
            lane[l] = v < lane[l] ? v : lane[l];
        }
    out = lane[0];
    for (int l = 1; l < LANES; l++) out = lane[l] < out ? lane[l] : out;
    for (; j < n; j++) {
        const double v = g[j] + up[j];
        out = v < out ? v : out;
    }
    return out;
}

/* Each group's variable with the smallest g + up, and the largest g + down. */
static void extremes(const Smo *q, int64_t *best, double *low, double *high) {
    for (int64_t c = 0; c < q->n_groups; c++) best[c] = -1, low[c] = BARRED, high[c] = -BARRED;
    for (int64_t j = 0; j < q->n; j++) {
        const int64_t c = q->group[j];
        const double u = q->g[j] + q->up[j], v = q->g[j] + q->down[j];
        if (u < low[c]) low[c] = u, best[c] = j;
        if (v > high[c]) high[c] = v;
    }
}

#define LOOPS(T, NAME)                                                                                                 \
    /* The best second-order gain over a block of candidates to go down, and the largest gradient among them. */       \
    WIDE static double gain_##NAME(int64_t n, double low, double curvature, double floor, const double *RESTRICT g,    \
                                   const double *RESTRICT down, const double *RESTRICT diagonal, const T *RESTRICT K,  \
                                   double *RESTRICT out, double *high) {                                               \
        double lane[LANES], top[LANES], best, most;                                                                    \
        int64_t j = 0;                                                                                                 \
        for (int l = 0; l < LANES; l++) lane[l] = 0.0, top[l] = -BARRED;                                               \
        for (; j + LANES <= n; j += LANES)                                                                             \
            for (int l = 0; l < LANES; l++) {                                                                          \
                const double v = g[j + l] + down[j + l];                                                               \
                const double a = curvature + diagonal[j + l] - 2.0 * (double)K[j + l];                                 \
                const double b = v - low;                                                                              \
                const double w = b > 0.0 ? b * b / (a > floor ? a : floor) : 0.0;                                      \
                out[j + l] = w;                                                                                        \
                lane[l] = w > lane[l] ? w : lane[l];                                                                   \
                top[l] = v > top[l] ? v : top[l];                                                                      \
            }                                                                                                          \
        best = lane[0], most = top[0];                                                                                 \
        for (int l = 1; l < LANES; l++) {                                                                              \
            best = lane[l] > best ? lane[l] : best;                                                                    \
            most = top[l] > most ? top[l] : most;                                                                      \
        }                                                                                                              \
        for (; j < n; j++) {                                                                                           \
            const double v = g[j] + down[j], a = curvature + diagonal[j] - 2.0 * (double)K[j], b = v - low;            \
            const double w = b > 0.0 ? b * b / (a > floor ? a : floor) : 0.0;                                          \
            out[j] = w;                                                                                                \
            best = w > best ? w : best;                                                                                \
            most = v > most ? v : most;                                                                                \
        }                                                                                                              \
        *high = most;                                                                                                  \
        return best;                                                                                                   \
    }                                                                                                                  \
    WIDE static void follow_##NAME(int64_t n, double t, const T *RESTRICT up, const T *RESTRICT down,                  \
                                   double *RESTRICT g) {                                                               \
        for (int64_t j = 0; j < n; j++) g[j] += t * ((double)up[j] - (double)down[j]);                                 \
    }

LOOPS(double, d)
LOOPS(float, f)

static const void *cached(const Smo *q, int64_t i) { return q->cache + q->slot[i] * q->row_stride; }

/* The partner of i: the largest gain among those that may go down. Its gradient's excess goes to *excess. */
static int64_t partner(const Smo *q, int64_t i, double low, double floor, double *excess) {
    double gains[BLOCK], best = 0.0, most = -BARRED;
    const void *row = cached(q, i);
    int64_t found = -1;
    for (int64_t from = 0; from < q->n; from += BLOCK) {
        const int64_t n = q->n - from < BLOCK ? q->n - from : BLOCK;
        double high;
        const double gain =
            q->cache_is_float
                ? gain_f(n, low, q->curvature[i], floor, q->g + from, q->down + from, q->curvature + from,
                         (const float *)row + from, gains, &high)
                : gain_d(n, low, q->curvature[i], floor, q->g + from, q->down + from, q->curvature + from,
                         (const double *)row + from, gains, &high);
        most = high > most ? high : most;
        if (gain > best) {
            best = gain;
            for (int64_t j = 0; j < n; j++)
                if (gains[j] == gain) {
                    found = from + j;
                    break;
                }
        }
    }
    *excess = most - low;
    return found;
}

/* The same within a group. */
static int64_t partner_in_group(const Smo *q, int64_t i, double low, double floor) {
    const void *row = cached(q, i);
    double best = 0.0;
    int64_t found = -1;
    for (int64_t j = 0; j < q->n; j++) {
        const double b = q->g[j] + q->down[j] - low;
        double a, gain;
        if (q->group[j] != q->group[i] || b <= 0.0) continue;
        a = q->curvature[i] + q->curvature[j] -
            2.0 * (q->cache_is_float ? (double)((const float *)row)[j] : ((const double *)row)[j]);
        gain = b * b / (a > floor ? a : floor);
        if (gain > best) best = gain, found = j;
    }
    return found;
}

/* Which variable should go up, and by how much the conditions are violated; -1 where none can. */
static int64_t leader(const Smo *q, double *low, double *violation) {
    if (q->group) {
        int64_t best[2], i = -1;
        double lows[2], highs[2];
        extremes(q, best, lows, highs);
        *violation = -BARRED;
        for (int64_t c = 0; c < q->n_groups; c++)
            if (best[c] >= 0 && highs[c] - lows[c] > *violation)
                *violation = highs[c] - lows[c], i = best[c], *low = lows[c];
        return i;
    }
    int64_t block = -1;
    *low = BARRED;
    for (int64_t from = 0; from < q->n; from += BLOCK) {
        const double v = least(q->n - from < BLOCK ? q->n - from : BLOCK, q->g + from, q->up + from);
        if (v < *low) *low = v, block = from;
    }
    if (block < 0) return -1;
    for (int64_t j = block; j < q->n; j++)
        if (q->g[j] + q->up[j] == *low) return j;
    return -1; /* what is no number equals nothing */
}

/* Make sure that the row of i is there. */
static int has_row(Smo *q, int64_t i) {
    const int64_t at = q->used;
    if (q->slot[i] >= 0) return 1;
    if (!q->stack || at >= q->slots) return 0;
    stack_mix(q->stack, q->m, q->active, q->weight, 1, &i, &at, q->cache, q->cache_is_float);
    q->slot[i] = at;
    q->used++;
    return 1;
}

int smo_run(Smo *q) {
    double scale = 0.0;
    for (int64_t j = 0; j < q->n; j++) {
        mark(q, j);
        scale = fabs(q->curvature[j]) > scale ? fabs(q->curvature[j]) : scale;
    }
    const double floor = scale > 0.0 ? 1e-12 * scale : 1e-300;
    for (q->iterations = 0; q->iterations < q->max_iter; q->iterations++) {
        double low, excess, t;
        const int64_t i = leader(q, &low, &excess);
        int64_t j;
        q->kept = q->wanted = -1;
        if (i < 0) {
            q->violation = 0.0;
            return SMO_DONE;
        }
        if (q->group && excess <= q->tol) {
            q->violation = excess;
            return SMO_DONE;
        }
        if (!has_row(q, i)) {
            q->wanted = i;
            return SMO_NEEDS_ROW;
        }
        j = q->group ? partner_in_group(q, i, low, floor) : partner(q, i, low, floor, &excess);
        q->violation = excess;
        if (excess <= q->tol || j < 0) return SMO_DONE;
        if (!has_row(q, j)) {
            q->wanted = j, q->kept = i;
            return SMO_NEEDS_ROW;
        }
        {
            const double down = q->g[j] + q->down[j];
            const void *row = cached(q, i);
            const double Kij = q->cache_is_float ? (double)((const float *)row)[j] : ((const double *)row)[j];
            const double a = q->curvature[i] + q->curvature[j] - 2.0 * Kij;
            /* up to the nearest of: the minimum, a bound, a kink of the tube at zero */
            const double top = q->tube > 0.0 && q->s[i] < 0.0 ? 0.0 : q->upper[i];
            const double bottom = q->tube > 0.0 && q->s[j] > 0.0 ? 0.0 : q->lower[j];
            const double room_i = top - q->s[i], room_j = q->s[j] - bottom;
            t = (down - low) / (a > floor ? a : floor);
            t = t < room_i ? t : room_i;
            t = t < room_j ? t : room_j;
            q->s[i] = t == room_i ? top : q->s[i] + t;
            q->s[j] = t == room_j ? bottom : q->s[j] - t;
        }
        if (q->cache_is_float)
            follow_f(q->n, t, (const float *)cached(q, i), (const float *)cached(q, j), q->g);
        else
            follow_d(q->n, t, (const double *)cached(q, i), (const double *)cached(q, j), q->g);
        if (q->d) q->g[i] += t * q->d[i], q->g[j] -= t * q->d[j];
        mark(q, i);
        mark(q, j);
    }
    return SMO_MAX_ITER;
}
