"""Numbers that the page shows of weights: matched across cells, and added up by what the kernels look at."""

from __future__ import annotations

import pytest

from kernelopt.evaluation.records import Record
from kernelopt.pages import kernel_weights, summary

from .make_records import make_methods, make_records


def weighed(*cells: tuple[int, int, dict[str, float]]) -> kernel_weights.KernelWeights:
    records = [Record("set", "learned-kernel", size, seed, weights=weights) for size, seed, weights in cells]
    (results,) = summary.arrange(records, make_methods())
    return kernel_weights.kernel_weights(results, "learned-kernel")


def test_kernels_whose_fitted_width_differs_are_one_kernel():
    found = weighed(
        (100, 0, {"gaussian γ=0.01": 0.25, "gaussian γ=0.04": 0.75}),
        (100, 1, {"gaussian γ=0.011": 0.5, "gaussian γ=0.044": 0.5}),
        (400, 0, {"gaussian γ=0.009": 1.0, "gaussian γ=0.036": 0.0}),
    )
    assert found.kernels == ("gaussian γ=0.009…0.011", "gaussian γ=0.036…0.044")
    assert found.by_size == {100: ((0.25, 0.5), (0.75, 0.5)), 400: ((1.0,), (0.0,))}


def test_kernels_of_one_name_are_matched_by_it_in_any_order():
    found = weighed((100, 0, {"a": 0.25, "b": 0.75}), (100, 1, {"b": 1.0, "c": 0.0}))
    assert found.kernels == ("a", "b", "c")
    assert found.by_size == {100: ((0.25, 0.0), (0.75, 1.0), (0.0, 0.0))}


def test_weights_add_up_by_what_the_kernels_look_at():
    (results,) = summary.arrange(make_records(images=10), make_methods())
    found = kernel_weights.kernel_weights(results, "features-mkl")
    added = found.added({kernel: kernel_weights.looks_at(kernel) for kernel in found.kernels})
    assert added.kernels == ("pixels", "layer 1", "layer 2")
    for record in results.cells("features-mkl", 600):
        layer2 = sum(weight for name, weight in record.weights.items() if "layer 2" in name)
        assert added.by_size[600][2][record.seed] == pytest.approx(layer2)
    assert [sum(shares) for shares in zip(*added.by_size[600], strict=True)] == pytest.approx([1.0] * 5)


def test_a_method_without_weights_has_none():
    (results,) = summary.arrange(make_records(images=10), make_methods())
    assert kernel_weights.kernel_weights(results, "cnn-learned") is None
