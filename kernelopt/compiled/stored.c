/* Kernels that lie in memory: mixtures of rows, products and quadratic forms, each entry read once.

   Sums are double precision whatever the entries are. Rows are walked in blocks that stay in the first cache. */
#include <string.h>

#include "core.h"

enum { BLOCK = 1024, LANES = 32 }; /* partial sums side by side: what lets a dot product run wide */

static const char *row_of(const Stack *K, int64_t kernel, int64_t row) {
    return K->data + kernel * K->kernel_stride + row * K->row_stride;
}

#define LOOPS(T, NAME)                                                                                                 \
    WIDE static void axpy_##NAME(int64_t n, double a, const T *RESTRICT x, double *RESTRICT y) {                       \
        for (int64_t j = 0; j < n; j++) y[j] += a * (double)x[j];                                                      \
    }                                                                                                                  \
    WIDE static void axpy4_##NAME(int64_t n, const double *a, const T *RESTRICT x0, const T *RESTRICT x1,              \
                                  const T *RESTRICT x2, const T *RESTRICT x3, double *RESTRICT y) {                    \
        const double a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];                                                       \
        for (int64_t j = 0; j < n; j++)                                                                                \
            y[j] += (a0 * (double)x0[j] + a1 * (double)x1[j]) + (a2 * (double)x2[j] + a3 * (double)x3[j]);             \
    }                                                                                                                  \
    WIDE static double dot_##NAME(int64_t n, const T *RESTRICT x, const double *RESTRICT y) {                          \
        double lane[LANES] = {0.0}, sum = 0.0;                                                                         \
        int64_t j = 0;                                                                                                 \
        for (; j + LANES <= n; j += LANES)                                                                             \
            for (int l = 0; l < LANES; l++) lane[l] += (double)x[j + l] * y[j + l];                                    \
        for (; j < n; j++) sum += (double)x[j] * y[j];                                                                 \
        for (int l = 0; l < LANES; l++) sum += lane[l];                                                                \
        return sum;                                                                                                    \
    }

LOOPS(double, d)
LOOPS(float, f)

static void axpy(int is_float, int64_t n, double a, const char *x, int64_t from, double *y) {
    if (is_float)
        axpy_f(n, a, (const float *)x + from, y);
    else
        axpy_d(n, a, (const double *)x + from, y);
}

static void axpy4(int is_float, int64_t n, const double *a, const char **x, int64_t from, double *y) {
    if (is_float) {
        const float *const *r = (const float *const *)x;
        axpy4_f(n, a, r[0] + from, r[1] + from, r[2] + from, r[3] + from, y);
    } else {
        const double *const *r = (const double *const *)x;
        axpy4_d(n, a, r[0] + from, r[1] + from, r[2] + from, r[3] + from, y);
    }
}

void stack_mix(const Stack *K, int64_t m, const int64_t *active, const double *weight, int64_t r, const int64_t *rows,
               const int64_t *slots, void *out, int out_is_float) {
    double sum[BLOCK];
    for (int64_t t = 0; t < r; t++)
        for (int64_t from = 0; from < K->n; from += BLOCK) {
            const int64_t n = K->n - from < BLOCK ? K->n - from : BLOCK;
            double *y = out_is_float ? sum : (double *)out + slots[t] * K->n + from;
            int64_t a = 0;
            memset(y, 0, n * sizeof(double));
            for (; a + 4 <= m; a += 4) {
                const char *x[4];
                for (int i = 0; i < 4; i++) x[i] = row_of(K, active[a + i], rows[t]);
                axpy4(K->is_float, n, weight + a, x, from, y);
            }
            for (; a < m; a++) axpy(K->is_float, n, weight[a], row_of(K, active[a], rows[t]), from, y);
            if (out_is_float) {
                float *z = (float *)out + slots[t] * K->n + from;
                for (int64_t j = 0; j < n; j++) z[j] = (float)sum[j];
            }
        }
}

void stack_products(const Stack *K, int64_t m, const int64_t *active, int64_t r, const int64_t *rows, int64_t k,
                    const double *coef, double *out) {
    for (int64_t a = 0; a < m; a++)
        for (int64_t from = 0; from < K->n; from += BLOCK) {
            const int64_t n = K->n - from < BLOCK ? K->n - from : BLOCK;
            int64_t t = 0;
            for (; t + 4 <= r; t += 4) {
                const char *x[4];
                for (int i = 0; i < 4; i++) x[i] = row_of(K, active[a], rows[t + i]);
                for (int64_t c = 0; c < k; c++) {
                    const double four[4] = {coef[t * k + c], coef[(t + 1) * k + c], coef[(t + 2) * k + c],
                                            coef[(t + 3) * k + c]};
                    axpy4(K->is_float, n, four, x, from, out + (a * k + c) * K->n + from);
                }
            }
            for (; t < r; t++)
                for (int64_t c = 0; c < k; c++)
                    axpy(K->is_float, n, coef[t * k + c], row_of(K, active[a], rows[t]), from,
                         out + (a * k + c) * K->n + from);
        }
}

void stack_quadratics(const Stack *K, int64_t m, const int64_t *active, int64_t r, const int64_t *rows, int64_t k,
                      const double *s, double *out) {
    for (int64_t a = 0; a < m; a++) {
        double sum = 0.0;
        for (int64_t t = 0; t < r; t++) {
            const int64_t i = rows[t];
            const char *x = row_of(K, active[a], i);
            const double diagonal = K->is_float ? (double)((const float *)x)[i] : ((const double *)x)[i];
            for (int64_t c = 0; c < k; c++) {
                const double *y = s + c * K->n + i + 1;
                const int64_t n = K->n - i - 1;
                double beyond = 0.0;
                if (y[-1] == 0.0) continue;
                beyond = K->is_float ? dot_f(n, (const float *)x + i + 1, y) : dot_d(n, (const double *)x + i + 1, y);
                sum += y[-1] * (diagonal * y[-1] + 2.0 * beyond);
            }
        }
        out[a] = sum;
    }
}

void stack_gather(const Stack *K, int64_t m, int64_t r, const int64_t *rows, int64_t c, const int64_t *columns,
                  void *out, int out_is_float) {
    const int64_t size = out_is_float ? sizeof(float) : sizeof(double);
    for (int64_t a = 0; a < m; a++)
        for (int64_t t = 0; t < r; t++) {
            const char *x = row_of(K, a, rows[t]);
            char *y = (char *)out + (a * r + t) * c * size;
            if (K->is_float == out_is_float)
                for (int64_t u = 0, length; u < c; u += length) { /* a run of neighbours at a time */
                    for (length = 1; u + length < c && columns[u + length] == columns[u] + length; length++) continue;
                    memcpy(y + u * size, x + columns[u] * size, length * size);
                }
            else
                for (int64_t u = 0; u < c; u++) ((double *)y)[u] = (double)((const float *)x)[columns[u]];
        }
}
