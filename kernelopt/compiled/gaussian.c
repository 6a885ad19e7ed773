/* Gaussian kernels made on the fly from squared distances: nothing of the size of a stack of matrices ever exists.

   exp(-t) for t >= 0 by 2^k times a polynomial on [-1/2, 1/2], within two units in the last place; below the smallest
   normal number the result is zero. In single precision this is faster than reading a stored double. */
#include <string.h>

#include "core.h"

enum { BLOCK = 512, LANES = 32 };

static inline double power_of_two_d(double k) { /* k is an integer in [-1022, 0] */
    const union {
        double x;
        int64_t i;
    } magic = {k + 6755399441055744.0 /* 1.5 * 2^52: leaves the integer in the low bits */};
    const union {
        int64_t i;
        double x;
    } out = {(int64_t)((uint64_t)(magic.i + 1023) << 52)};
    return out.x;
}

static inline float power_of_two_f(float k) {
    const union {
        float x;
        int32_t i;
    } magic = {k + 12582912.0f /* 1.5 * 2^23 */};
    const union {
        int32_t i;
        float x;
    } out = {(int32_t)((uint32_t)(magic.i + 127) << 23)};
    return out.x;
}

static inline double exp_minus_d(double t) {
    const double limit = 708.0;
    const double x = t < limit ? t : limit;
    const double z = x * -1.4426950408889634;
    const double k = (z + 6755399441055744.0) - 6755399441055744.0;
    /* the rest of the logarithm, in two parts so that no digit is lost */
    const double f = (-x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    double p = 1.0 / 479001600.0;
    p = p * f + 1.0 / 39916800.0;
    p = p * f + 1.0 / 3628800.0;
    p = p * f + 1.0 / 362880.0;
    p = p * f + 1.0 / 40320.0;
    p = p * f + 1.0 / 5040.0;
    p = p * f + 1.0 / 720.0;
    p = p * f + 1.0 / 120.0;
    p = p * f + 1.0 / 24.0;
    p = p * f + 1.0 / 6.0;
    p = p * f + 0.5;
    p = p * f + 1.0;
    p = p * f + 1.0;
    return t < limit ? p * power_of_two_d(k) : 0.0;
}

static inline float exp_minus_f(float t) {
    const float limit = 87.0f;
    const float x = t < limit ? t : limit;
    const float z = x * -1.44269504f;
    const float k = (z + 12582912.0f) - 12582912.0f;
    const float f = (-x - k * 6.93359375e-1f) - k * -2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * f + 1.0f / 720.0f;
    p = p * f + 1.0f / 120.0f;
    p = p * f + 1.0f / 24.0f;
    p = p * f + 1.0f / 6.0f;
    p = p * f + 0.5f;
    p = p * f + 1.0f;
    p = p * f + 1.0f;
    return t < limit ? p * power_of_two_f(k) : 0.0f;
}

#define LOOPS(T, NAME)                                                                                                 \
    WIDE static void mix_##NAME(int64_t n, T gamma, T weight, const T *RESTRICT D, T *RESTRICT out) {                  \
        for (int64_t j = 0; j < n; j++) out[j] += weight * exp_minus_##NAME(gamma * D[j]);                             \
    }                                                                                                                  \
    WIDE static void row_##NAME(int64_t n, T gamma, const T *RESTRICT D, T *RESTRICT out) {                            \
        for (int64_t j = 0; j < n; j++) out[j] = exp_minus_##NAME(gamma * D[j]);                                       \
    }                                                                                                                  \
    WIDE static void add_##NAME(int64_t n, double a, const T *RESTRICT x, double *RESTRICT y) {                        \
        for (int64_t j = 0; j < n; j++) y[j] += a * (double)x[j];                                                      \
    }                                                                                                                  \
    WIDE static double dot_##NAME(int64_t n, const T *RESTRICT x, const double *RESTRICT y) {                          \
        double lane[LANES] = {0.0}, sum = 0.0;                                                                         \
        int64_t j = 0;                                                                                                 \
        for (; j + LANES <= n; j += LANES)                                                                             \
            for (int l = 0; l < LANES; l++) lane[l] += (double)x[j + l] * y[j + l];                                    \
        for (; j < n; j++) sum += (double)x[j] * y[j];                                                                 \
        for (int l = 0; l < LANES; l++) sum += lane[l];                                                                \
        return sum;                                                                                                    \
    }                                                                                                                  \
    static void products_##NAME(const T *D, int64_t r, int64_t n, int64_t m, const double *gamma, int64_t k,           \
                                const double *coef, double *out) {                                                     \
        T e[BLOCK];                                                                                                    \
        for (int64_t from = 0; from < n; from += BLOCK) {                                                              \
            const int64_t length = n - from < BLOCK ? n - from : BLOCK;                                                \
            for (int64_t t = 0; t < r; t++)                                                                            \
                for (int64_t a = 0; a < m; a++) {                                                                      \
                    row_##NAME(length, (T)gamma[a], D + t * n + from, e);                                              \
                    for (int64_t c = 0; c < k; c++)                                                                    \
                        add_##NAME(length, coef[t * k + c], e, out + (a * k + c) * n + from);                          \
                }                                                                                                      \
        }                                                                                                              \
    }                                                                                                                  \
    static void quadratics_##NAME(const T *D, int64_t r, int64_t n, int64_t m, const double *gamma, int64_t k,         \
                                  const int64_t *rows, const double *s, double *out) {                                 \
        T e[BLOCK];                                                                                                    \
        for (int64_t t = 0; t < r; t++) {                                                                              \
            const int64_t i = rows[t];                                                                                 \
            for (int64_t c = 0; c < k; c++)                                                                            \
                for (int64_t a = 0; a < m; a++) out[a] += s[c * n + i] * s[c * n + i];                                 \
            for (int64_t from = i + 1; from < n; from += BLOCK) {                                                      \
                const int64_t length = n - from < BLOCK ? n - from : BLOCK;                                            \
                for (int64_t a = 0; a < m; a++) {                                                                      \
                    row_##NAME(length, (T)gamma[a], D + t * n + from, e);                                              \
                    for (int64_t c = 0; c < k; c++)                                                                    \
                        out[a] += 2.0 * s[c * n + i] * dot_##NAME(length, e, s + c * n + from);                        \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

LOOPS(double, d)
LOOPS(float, f)

WIDE static void set_squares(int64_t n, double x, const double *RESTRICT y, double *RESTRICT out) {
    for (int64_t j = 0; j < n; j++) {
        const double t = x - y[j];
        out[j] = t * t;
    }
}

WIDE static void add_squares(int64_t n, double x, const double *RESTRICT y, double *RESTRICT out) {
    for (int64_t j = 0; j < n; j++) {
        const double t = x - y[j];
        out[j] += t * t;
    }
}

void gauss_distances(const double *X, int64_t d, int64_t n, int64_t r, const int64_t *rows, int64_t first, void *out,
                     int out_is_float) {
    const int64_t width = n - first;
    double sum[BLOCK];
    for (int64_t t = 0; t < r; t++)
        for (int64_t from = 0; from < width; from += BLOCK) {
            const int64_t length = width - from < BLOCK ? width - from : BLOCK;
            double *y = out_is_float ? sum : (double *)out + t * width + from;
            if (d == 0) memset(y, 0, length * sizeof(double));
            if (d > 0) set_squares(length, X[rows[t]], X + first + from, y);
            for (int64_t f = 1; f < d; f++)
                add_squares(length, X[f * n + rows[t]], X + f * n + first + from, y);
            if (out_is_float) {
                float *z = (float *)out + t * width + from;
                for (int64_t j = 0; j < length; j++) z[j] = (float)sum[j];
            }
        }
}

void gauss_mix(const void *D, int is_float, int64_t r, int64_t n, int64_t m, const double *gamma, const double *weight,
               void *out) {
    for (int64_t t = 0; t < r; t++)
        for (int64_t from = 0; from < n; from += BLOCK) {
            const int64_t length = n - from < BLOCK ? n - from : BLOCK, at = t * n + from;
            for (int64_t a = 0; a < m; a++)
                if (is_float)
                    mix_f(length, (float)gamma[a], (float)weight[a], (const float *)D + at, (float *)out + at);
                else
                    mix_d(length, gamma[a], weight[a], (const double *)D + at, (double *)out + at);
        }
}

void gauss_products(const void *D, int is_float, int64_t r, int64_t n, int64_t m, const double *gamma, int64_t k,
                    const double *coef, double *out) {
    if (is_float)
        products_f((const float *)D, r, n, m, gamma, k, coef, out);
    else
        products_d((const double *)D, r, n, m, gamma, k, coef, out);
}

void gauss_quadratics(const void *D, int is_float, int64_t r, int64_t n, int64_t m, const double *gamma, int64_t k,
                      const int64_t *rows, const double *s, double *out) {
    if (is_float)
        quadratics_f((const float *)D, r, n, m, gamma, k, rows, s, out);
    else
        quadratics_d((const double *)D, r, n, m, gamma, k, rows, s, out);
}
