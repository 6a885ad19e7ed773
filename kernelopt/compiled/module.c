/* The extension as Python sees it: arrays come as buffers and are checked here; the loops run without the lock. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <string.h>

#include "core.h"

/* An array that was asked for: its buffer, and whether it holds singles. */
typedef struct {
    Py_buffer view;
    int held, is_float;
} Array;

enum { REAL = 1, DOUBLE = 2, INTEGER = 3 };

static void release(Array *arrays, int count) {
    for (int i = 0; i < count; i++)
        if (arrays[i].held) PyBuffer_Release(&arrays[i].view);
}

/* Whether each entry lies at a multiple of its size, which the processor may rely on. */
static int aligned(const Py_buffer *view) {
    if ((uintptr_t)view->buf % (uintptr_t)view->itemsize) return 0;
    for (int axis = 0; view->strides && axis < view->ndim; axis++)
        if (view->shape[axis] > 1 && view->strides[axis] % view->itemsize) return 0;
    return 1;
}

/* Take an array of a kind and a number of axes; contiguous unless it is a stack, whose rows alone must be. */
static int take(PyObject *object, Array *array, const char *name, int kind, int ndim, int writable, int strided) {
    const int flags = (strided ? PyBUF_STRIDES : PyBUF_C_CONTIGUOUS) | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    const char *format;
    int real;
    if (PyObject_GetBuffer(object, &array->view, flags) < 0) return -1;
    array->held = 1;
    format = array->view.format ? array->view.format : "B";
    if (*format == '@' || *format == '=') format++;
    real = strcmp(format, "d") == 0 || strcmp(format, "f") == 0;
    array->is_float = *format == 'f';
    if ((kind == REAL && !real) || (kind == DOUBLE && strcmp(format, "d") != 0) ||
        (kind == INTEGER && !(array->view.itemsize == 8 && strchr("qln", *format)))) {
        PyErr_Format(PyExc_TypeError, "%s holds entries of type '%s'", name, format);
        return -1;
    }
    if (array->view.ndim != ndim) {
        PyErr_Format(PyExc_ValueError, "%s has %d axes, expected %d", name, array->view.ndim, ndim);
        return -1;
    }
    if (strided && array->view.shape[ndim - 1] > 1 && array->view.strides[ndim - 1] != array->view.itemsize) {
        PyErr_Format(PyExc_ValueError, "the rows of %s must be contiguous", name);
        return -1;
    }
    if (!aligned(&array->view)) {
        PyErr_Format(PyExc_ValueError, "the entries of %s must be aligned in memory; pass a copy", name);
        return -1;
    }
    return 0;
}

static int expect(const Array *array, const char *name, int axis, Py_ssize_t length) {
    if (array->view.shape[axis] == length) return 0;
    PyErr_Format(PyExc_ValueError, "axis %d of %s has length %zd, expected %zd", axis, name, array->view.shape[axis],
                 length);
    return -1;
}

/* Indices must lie in [low, n): the loops do not look. */
static int within(const Array *array, const char *name, int64_t low, int64_t n) {
    const int64_t *index = array->view.buf;
    const Py_ssize_t count = array->view.len / 8;
    for (Py_ssize_t i = 0; i < count; i++)
        if (index[i] < low || index[i] >= n) {
            PyErr_Format(PyExc_IndexError, "%s holds %lld, outside %lld..%lld", name, (long long)index[i],
                         (long long)low, (long long)n - 1);
            return -1;
        }
    return 0;
}

static Stack as_stack(const Array *array) {
    const Stack K = {array->view.buf, array->view.strides[0], array->view.strides[1], array->view.shape[2],
                     array->is_float};
    return K;
}

#define TAKE(i, name, kind, ndim, writable)                                                                            \
    if (take(objects[i], &arrays[i], name, kind, ndim, writable, 0) < 0) goto fail
#define TAKE_STACK(i, name)                                                                                            \
    if (take(objects[i], &arrays[i], name, REAL, 3, 0, 1) < 0) goto fail
#define EXPECT(i, name, axis, length)                                                                                  \
    if (expect(&arrays[i], name, axis, length) < 0) goto fail
#define WITHIN(i, name, low, n)                                                                                        \
    if (within(&arrays[i], name, low, n) < 0) goto fail
#define SHAPE(i, axis) (arrays[i].view.shape[axis])
#define DATA(i) (arrays[i].view.buf)

PyDoc_STRVAR(mix_doc, "mix(Ks, active, weight, rows, slots, out)\n--\n\n"
                      "Set out[slots[t]] to row rows[t] of the sum of weight[a] Ks[active[a]].");

static PyObject *mix(PyObject *self, PyObject *args) {
    PyObject *objects[6];
    Array arrays[6] = {0};
    if (!PyArg_ParseTuple(args, "OOOOOO", objects, objects + 1, objects + 2, objects + 3, objects + 4, objects + 5))
        return NULL;
    TAKE_STACK(0, "Ks");
    TAKE(1, "active", INTEGER, 1, 0);
    TAKE(2, "weight", DOUBLE, 1, 0);
    TAKE(3, "rows", INTEGER, 1, 0);
    TAKE(4, "slots", INTEGER, 1, 0);
    TAKE(5, "out", REAL, 2, 1);
    EXPECT(2, "weight", 0, SHAPE(1, 0));
    EXPECT(4, "slots", 0, SHAPE(3, 0));
    EXPECT(5, "out", 1, SHAPE(0, 2));
    WITHIN(1, "active", 0, SHAPE(0, 0));
    WITHIN(3, "rows", 0, SHAPE(0, 1));
    WITHIN(4, "slots", 0, SHAPE(5, 0));
    {
        const Stack K = as_stack(&arrays[0]);
        Py_BEGIN_ALLOW_THREADS;
        stack_mix(&K, SHAPE(1, 0), DATA(1), DATA(2), SHAPE(3, 0), DATA(3), DATA(4), DATA(5), arrays[5].is_float);
        Py_END_ALLOW_THREADS;
    }
    release(arrays, 6);
    Py_RETURN_NONE;
fail:
    release(arrays, 6);
    return NULL;
}

PyDoc_STRVAR(products_doc, "products(Ks, active, rows, coef, out)\n--\n\n"
                           "Add the sum over t of coef[t, c] Ks[active[a], rows[t], :] to out[a, c].");

static PyObject *products(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array arrays[5] = {0};
    if (!PyArg_ParseTuple(args, "OOOOO", objects, objects + 1, objects + 2, objects + 3, objects + 4)) return NULL;
    TAKE_STACK(0, "Ks");
    TAKE(1, "active", INTEGER, 1, 0);
    TAKE(2, "rows", INTEGER, 1, 0);
    TAKE(3, "coef", DOUBLE, 2, 0);
    TAKE(4, "out", DOUBLE, 3, 1);
    EXPECT(3, "coef", 0, SHAPE(2, 0));
    EXPECT(4, "out", 0, SHAPE(1, 0));
    EXPECT(4, "out", 1, SHAPE(3, 1));
    EXPECT(4, "out", 2, SHAPE(0, 2));
    WITHIN(1, "active", 0, SHAPE(0, 0));
    WITHIN(2, "rows", 0, SHAPE(0, 1));
    {
        const Stack K = as_stack(&arrays[0]);
        Py_BEGIN_ALLOW_THREADS;
        stack_products(&K, SHAPE(1, 0), DATA(1), SHAPE(2, 0), DATA(2), SHAPE(3, 1), DATA(3), DATA(4));
        Py_END_ALLOW_THREADS;
    }
    release(arrays, 5);
    Py_RETURN_NONE;
fail:
    release(arrays, 5);
    return NULL;
}

PyDoc_STRVAR(quadratics_doc, "quadratics(Ks, active, rows, s, out)\n--\n\n"
                             "Set out[a] to the sum over c of s[c]' Ks[active[a]] s[c], reading the upper triangle of\n"
                             "the rows only; rows ascend and hold all i with s[:, i] != 0.");

static PyObject *quadratics(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array arrays[5] = {0};
    if (!PyArg_ParseTuple(args, "OOOOO", objects, objects + 1, objects + 2, objects + 3, objects + 4)) return NULL;
    TAKE_STACK(0, "Ks");
    TAKE(1, "active", INTEGER, 1, 0);
    TAKE(2, "rows", INTEGER, 1, 0);
    TAKE(3, "s", DOUBLE, 2, 0);
    TAKE(4, "out", DOUBLE, 1, 1);
    EXPECT(0, "Ks", 1, SHAPE(0, 2));
    EXPECT(3, "s", 1, SHAPE(0, 2));
    EXPECT(4, "out", 0, SHAPE(1, 0));
    WITHIN(1, "active", 0, SHAPE(0, 0));
    WITHIN(2, "rows", 0, SHAPE(0, 1));
    {
        const Stack K = as_stack(&arrays[0]);
        Py_BEGIN_ALLOW_THREADS;
        stack_quadratics(&K, SHAPE(1, 0), DATA(1), SHAPE(2, 0), DATA(2), SHAPE(3, 0), DATA(3), DATA(4));
        Py_END_ALLOW_THREADS;
    }
    release(arrays, 5);
    Py_RETURN_NONE;
fail:
    release(arrays, 5);
    return NULL;
}

PyDoc_STRVAR(gather_doc, "gather(Ks, rows, columns, out)\n--\n\n"
                         "Set out[a, t, u] to Ks[a, rows[t], columns[u]].");

static PyObject *gather(PyObject *self, PyObject *args) {
    PyObject *objects[4];
    Array arrays[4] = {0};
    if (!PyArg_ParseTuple(args, "OOOO", objects, objects + 1, objects + 2, objects + 3)) return NULL;
    TAKE_STACK(0, "Ks");
    TAKE(1, "rows", INTEGER, 1, 0);
    TAKE(2, "columns", INTEGER, 1, 0);
    TAKE(3, "out", arrays[0].is_float ? REAL : DOUBLE, 3, 1);
    EXPECT(3, "out", 0, SHAPE(0, 0));
    EXPECT(3, "out", 1, SHAPE(1, 0));
    EXPECT(3, "out", 2, SHAPE(2, 0));
    WITHIN(1, "rows", 0, SHAPE(0, 1));
    WITHIN(2, "columns", 0, SHAPE(0, 2));
    {
        const Stack K = as_stack(&arrays[0]);
        Py_BEGIN_ALLOW_THREADS;
        stack_gather(&K, SHAPE(0, 0), SHAPE(1, 0), DATA(1), SHAPE(2, 0), DATA(2), DATA(3), arrays[3].is_float);
        Py_END_ALLOW_THREADS;
    }
    release(arrays, 4);
    Py_RETURN_NONE;
fail:
    release(arrays, 4);
    return NULL;
}

PyDoc_STRVAR(distances_doc, "distances(X, rows, first, out)\n--\n\n"
                            "Set out[t, j] to the squared distance of points rows[t] and first + j; X has shape (d, n).");

static PyObject *distances(PyObject *self, PyObject *args) {
    PyObject *objects[3];
    Array arrays[3] = {0};
    long long first;
    if (!PyArg_ParseTuple(args, "OOLO", objects, objects + 1, &first, objects + 2)) return NULL;
    TAKE(0, "X", DOUBLE, 2, 0);
    TAKE(1, "rows", INTEGER, 1, 0);
    TAKE(2, "out", REAL, 2, 1);
    if (first < 0 || first > SHAPE(0, 1)) {
        PyErr_SetString(PyExc_ValueError, "first must be between 0 and the number of points");
        goto fail;
    }
    EXPECT(2, "out", 0, SHAPE(1, 0));
    EXPECT(2, "out", 1, SHAPE(0, 1) - first);
    WITHIN(1, "rows", 0, SHAPE(0, 1));
    Py_BEGIN_ALLOW_THREADS;
    gauss_distances(DATA(0), SHAPE(0, 0), SHAPE(0, 1), SHAPE(1, 0), DATA(1), first, DATA(2), arrays[2].is_float);
    Py_END_ALLOW_THREADS;
    release(arrays, 3);
    Py_RETURN_NONE;
fail:
    release(arrays, 3);
    return NULL;
}

PyDoc_STRVAR(gaussian_mix_doc, "gaussian_mix(D, gamma, weight, out)\n--\n\n"
                               "Add the sum of weight[a] exp(-gamma[a] D) to out, entry by entry.");

static PyObject *gaussian_mix(PyObject *self, PyObject *args) {
    PyObject *objects[4];
    Array arrays[4] = {0};
    if (!PyArg_ParseTuple(args, "OOOO", objects, objects + 1, objects + 2, objects + 3)) return NULL;
    TAKE(0, "D", REAL, 2, 0);
    TAKE(1, "gamma", DOUBLE, 1, 0);
    TAKE(2, "weight", DOUBLE, 1, 0);
    TAKE(3, "out", arrays[0].is_float ? REAL : DOUBLE, 2, 1);
    EXPECT(2, "weight", 0, SHAPE(1, 0));
    EXPECT(3, "out", 0, SHAPE(0, 0));
    EXPECT(3, "out", 1, SHAPE(0, 1));
    if (arrays[3].is_float != arrays[0].is_float) {
        PyErr_SetString(PyExc_TypeError, "D and out must have entries of one type");
        goto fail;
    }
    Py_BEGIN_ALLOW_THREADS;
    gauss_mix(DATA(0), arrays[0].is_float, SHAPE(0, 0), SHAPE(0, 1), SHAPE(1, 0), DATA(1), DATA(2), DATA(3));
    Py_END_ALLOW_THREADS;
    release(arrays, 4);
    Py_RETURN_NONE;
fail:
    release(arrays, 4);
    return NULL;
}

PyDoc_STRVAR(gaussian_products_doc, "gaussian_products(D, gamma, coef, out)\n--\n\n"
                                    "Add the sum over t of coef[t, c] exp(-gamma[a] D[t]) to out[a, c].");

static PyObject *gaussian_products(PyObject *self, PyObject *args) {
    PyObject *objects[4];
    Array arrays[4] = {0};
    if (!PyArg_ParseTuple(args, "OOOO", objects, objects + 1, objects + 2, objects + 3)) return NULL;
    TAKE(0, "D", REAL, 2, 0);
    TAKE(1, "gamma", DOUBLE, 1, 0);
    TAKE(2, "coef", DOUBLE, 2, 0);
    TAKE(3, "out", DOUBLE, 3, 1);
    EXPECT(2, "coef", 0, SHAPE(0, 0));
    EXPECT(3, "out", 0, SHAPE(1, 0));
    EXPECT(3, "out", 1, SHAPE(2, 1));
    EXPECT(3, "out", 2, SHAPE(0, 1));
    Py_BEGIN_ALLOW_THREADS;
    gauss_products(DATA(0), arrays[0].is_float, SHAPE(0, 0), SHAPE(0, 1), SHAPE(1, 0), DATA(1), SHAPE(2, 1), DATA(2),
                   DATA(3));
    Py_END_ALLOW_THREADS;
    release(arrays, 4);
    Py_RETURN_NONE;
fail:
    release(arrays, 4);
    return NULL;
}

PyDoc_STRVAR(gaussian_quadratics_doc,
             "gaussian_quadratics(D, gamma, rows, s, out)\n--\n\n"
             "Add s[c]' exp(-gamma[a] D) s[c], summed over c and over the rows' upper triangle, to out[a];\n"
             "D[t] holds the squared distances of point rows[t] from all points.");

static PyObject *gaussian_quadratics(PyObject *self, PyObject *args) {
    PyObject *objects[5];
    Array arrays[5] = {0};
    if (!PyArg_ParseTuple(args, "OOOOO", objects, objects + 1, objects + 2, objects + 3, objects + 4)) return NULL;
    TAKE(0, "D", REAL, 2, 0);
    TAKE(1, "gamma", DOUBLE, 1, 0);
    TAKE(2, "rows", INTEGER, 1, 0);
    TAKE(3, "s", DOUBLE, 2, 0);
    TAKE(4, "out", DOUBLE, 1, 1);
    EXPECT(2, "rows", 0, SHAPE(0, 0));
    EXPECT(3, "s", 1, SHAPE(0, 1));
    EXPECT(4, "out", 0, SHAPE(1, 0));
    WITHIN(2, "rows", 0, SHAPE(0, 1));
    Py_BEGIN_ALLOW_THREADS;
    gauss_quadratics(DATA(0), arrays[0].is_float, SHAPE(0, 0), SHAPE(0, 1), SHAPE(1, 0), DATA(1), SHAPE(3, 0), DATA(2),
                     DATA(3), DATA(4));
    Py_END_ALLOW_THREADS;
    release(arrays, 5);
    Py_RETURN_NONE;
fail:
    release(arrays, 5);
    return NULL;
}

PyDoc_STRVAR(smo_doc, "smo(s, g, lower, upper, curvature, d, group, n_groups, tube, cache, slot, used, stack, tol, "
                      "max_iter, scratch)\n--\n\n"
                      "Minimise; s and g change in place. d and group may be None; stack is None or (Ks, active, weight),\n"
                      "and then rows go to the cache from `used` on. Returns (status, iterations, violation, wanted row,\n"
                      "row to keep, used).");

static PyObject *smo(PyObject *self, PyObject *args) {
    PyObject *objects[13], *stack;
    Array arrays[13] = {0};
    long long n_groups, used, max_iter;
    double tube, tol;
    int status;
    Stack K;
    Smo q = {0};
    if (!PyArg_ParseTuple(args, "OOOOOOOLdOOLOdLO", objects, objects + 1, objects + 2, objects + 3, objects + 4,
                          objects + 5, objects + 6, &n_groups, &tube, objects + 7, objects + 8, &used, &stack, &tol,
                          &max_iter, objects + 9))
        return NULL;
    TAKE(0, "s", DOUBLE, 1, 1);
    TAKE(1, "g", DOUBLE, 1, 1);
    TAKE(2, "lower", DOUBLE, 1, 0);
    TAKE(3, "upper", DOUBLE, 1, 0);
    TAKE(4, "curvature", DOUBLE, 1, 0);
    TAKE(7, "cache", REAL, 2, stack != Py_None);
    TAKE(8, "slot", INTEGER, 1, 1);
    TAKE(9, "scratch", DOUBLE, 2, 1);
    q.n = SHAPE(0, 0);
    for (int i = 1; i < 5; i++) EXPECT(i, "g, lower, upper or curvature", 0, q.n);
    if (objects[5] != Py_None) {
        TAKE(5, "d", DOUBLE, 1, 0);
        EXPECT(5, "d", 0, q.n);
        q.d = DATA(5);
    }
    if (objects[6] != Py_None) {
        TAKE(6, "group", INTEGER, 1, 0);
        EXPECT(6, "group", 0, q.n);
        if (n_groups < 1 || n_groups > 2) {
            PyErr_SetString(PyExc_ValueError, "n_groups must be 1 or 2");
            goto fail;
        }
        WITHIN(6, "group", 0, n_groups);
        q.group = DATA(6);
    }
    EXPECT(7, "cache", 1, q.n);
    EXPECT(8, "slot", 0, q.n);
    WITHIN(8, "slot", -1, SHAPE(7, 0));
    EXPECT(9, "scratch", 0, 2);
    EXPECT(9, "scratch", 1, q.n);
    q.slots = SHAPE(7, 0), q.used = used;
    if (stack != Py_None) {
        if (!PyTuple_Check(stack)) {
            PyErr_SetString(PyExc_TypeError, "stack must be None or a tuple (Ks, active, weight)");
            goto fail;
        }
        if (!PyArg_ParseTuple(stack, "OOO", objects + 10, objects + 11, objects + 12)) goto fail;
        TAKE_STACK(10, "Ks");
        TAKE(11, "active", INTEGER, 1, 0);
        TAKE(12, "weight", DOUBLE, 1, 0);
        EXPECT(10, "Ks", 1, q.n);
        EXPECT(10, "Ks", 2, q.n);
        EXPECT(12, "weight", 0, SHAPE(11, 0));
        WITHIN(11, "active", 0, SHAPE(10, 0));
        if (used < 0) {
            PyErr_SetString(PyExc_ValueError, "used must not be negative");
            goto fail;
        }
        K = as_stack(&arrays[10]);
        q.stack = &K, q.m = SHAPE(11, 0), q.active = DATA(11), q.weight = DATA(12);
    }
    q.s = DATA(0), q.g = DATA(1), q.lower = DATA(2), q.upper = DATA(3), q.curvature = DATA(4);
    q.n_groups = n_groups, q.tube = tube, q.tol = tol, q.max_iter = max_iter;
    q.cache = DATA(7), q.cache_is_float = arrays[7].is_float, q.row_stride = arrays[7].view.strides[0];
    q.slot = DATA(8), q.up = DATA(9), q.down = q.up + q.n;
    Py_BEGIN_ALLOW_THREADS;
    status = smo_run(&q);
    Py_END_ALLOW_THREADS;
    release(arrays, 13);
    return Py_BuildValue("(iLdLLL)", status, (long long)q.iterations, q.violation, (long long)q.wanted,
                         (long long)q.kept, (long long)q.used);
fail:
    release(arrays, 13);
    return NULL;
}

static PyMethodDef methods[] = {
    {"mix", mix, METH_VARARGS, mix_doc},
    {"products", products, METH_VARARGS, products_doc},
    {"quadratics", quadratics, METH_VARARGS, quadratics_doc},
    {"gather", gather, METH_VARARGS, gather_doc},
    {"distances", distances, METH_VARARGS, distances_doc},
    {"gaussian_mix", gaussian_mix, METH_VARARGS, gaussian_mix_doc},
    {"gaussian_products", gaussian_products, METH_VARARGS, gaussian_products_doc},
    {"gaussian_quadratics", gaussian_quadratics, METH_VARARGS, gaussian_quadratics_doc},
    {"smo", smo, METH_VARARGS, smo_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_core", "Loops over kernel entries, and sequential minimal optimisation.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&definition); }
