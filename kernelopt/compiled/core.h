/* What the parts of the extension share: a way to compile a function for several processors, and views of arrays. */
#ifndef KERNELOPT_CORE_H
#define KERNELOPT_CORE_H

#include <stddef.h>
#include <stdint.h>

/* One binary for all processors of a family: the loader picks the widest version that runs. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && \
    !defined(KERNELOPT_ONE_VERSION)
#define WIDE __attribute__((target_clones("avx512f", "avx2,fma", "default")))
#else
#define WIDE
#endif

#if defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT restrict
#endif

/* M matrices of n columns; rows are contiguous, kernels and rows lie at any distance (in bytes). */
typedef struct {
    const char *data;
    ptrdiff_t kernel_stride, row_stride;
    int64_t n;
    int is_float;
} Stack;

/* rows[t] of the mixture goes to out[slots[t]], of `width` numbers each. */
void stack_mix(const Stack *K, int64_t m, const int64_t *active, const double *weight, int64_t r, const int64_t *rows,
               const int64_t *slots, void *out, int out_is_float);
/* out[a, c, :] += sum over t of coef[t, c] K[active[a], rows[t], :] */
void stack_products(const Stack *K, int64_t m, const int64_t *active, int64_t r, const int64_t *rows, int64_t k,
                    const double *coef, double *out);
/* out[a] = sum over c of s_c' K[active[a]] s_c, from the upper triangle; rows ascend, s has shape (k, n). */
void stack_quadratics(const Stack *K, int64_t m, const int64_t *active, int64_t r, const int64_t *rows, int64_t k,
                      const double *s, double *out);

/* out[a, t, u] = K[a, rows[t], columns[u]], for all kernels; entries keep their type unless out holds doubles. */
void stack_gather(const Stack *K, int64_t m, int64_t r, const int64_t *rows, int64_t c, const int64_t *columns,
                  void *out, int out_is_float);

/* The same for Gaussian kernels exp(-gamma D), from r rows of squared distances D. */
void gauss_distances(const double *X, int64_t d, int64_t n, int64_t r, const int64_t *rows, int64_t first, void *out,
                     int out_is_float); /* X has shape (d, n): out[t, j] = |x_rows[t] - x_(first + j)|^2 */
void gauss_mix(const void *D, int is_float, int64_t r, int64_t n, int64_t m, const double *gamma, const double *weight,
               void *out);
void gauss_products(const void *D, int is_float, int64_t r, int64_t n, int64_t m, const double *gamma, int64_t k,
                    const double *coef, double *out);
void gauss_quadratics(const void *D, int is_float, int64_t r, int64_t n, int64_t m, const double *gamma, int64_t k,
                      const int64_t *rows, const double *s, double *out);

/* Sequential minimal optimisation. */
typedef struct {
    int64_t n;
    double *s, *g;                /* the point, and (K + D) s - p there */
    const double *lower, *upper;
    const double *curvature;      /* K_ii + d_i */
    const double *d;              /* NULL where there is none */
    const int64_t *group;         /* NULL: one sum; otherwise which of the sums each variable belongs to */
    int64_t n_groups;
    double tube;
    char *cache;                  /* rows of K */
    int cache_is_float;
    ptrdiff_t row_stride;
    int64_t slots, used;          /* how many rows the cache can hold, and how many it does */
    int64_t *slot;                /* where the row of each variable lies in the cache; -1 where it does not */
    const Stack *stack;           /* NULL: rows that are missing are asked of the caller; otherwise mixed from here */
    int64_t m;
    const int64_t *active;
    const double *weight;
    double tol;
    int64_t max_iter;
    double *up, *down;            /* scratch of n numbers each */
    /* results */
    int64_t iterations, wanted, kept;
    double violation;
} Smo;

enum { SMO_DONE = 0, SMO_NEEDS_ROW = 1, SMO_MAX_ITER = 2 };
int smo_run(Smo *q);

#endif
