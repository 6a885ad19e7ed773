"""The record of a lesson, checked against the reference layer, automatic differentiation and the estimator."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kernelopt import datasets
from kernelopt.conv.geometry import Geometry
from kernelopt.conv.reference import Ties, backward_toeplitz, forward_loops
from kernelopt.convex.criteria.alignment import centered_alignment
from kernelopt.evaluation.explained import lesson as lessons
from kernelopt.evaluation.explained.crossover import run_cell
from kernelopt.evaluation.explained.lesson import QUICK, make_lesson
from kernelopt.evaluation.explained.published import NARROW, WIDE, condensed, published_study
from kernelopt.evaluation.explained.weights import base_grams, learn_weights
from kernelopt.evaluation.splits import nested_order


@pytest.fixture(scope="module")
def lesson():
    return json.loads(json.dumps(make_lesson(plan=QUICK).to_dict(), allow_nan=False))


@pytest.fixture(scope="module")
def image(lesson):
    data = datasets.load(lesson["dataset"])
    pixels = np.frombuffer(bytes.fromhex(lesson["image"]), np.uint8).reshape(28, 28)
    assert np.array_equal(pixels, data.X[lesson["position"]])
    assert data.y[lesson["position"]] == lesson["label"] == 9
    return pixels / 255


def unfold(triangle, n):
    K = np.zeros((n, n))
    K[np.triu_indices(n)] = triangle
    return K + np.triu(K, 1).T


def output_gradient(backward):
    dy = np.zeros((1, len(backward["places"]), backward["side"], backward["side"]))
    for f, places in enumerate(backward["places"]):
        for i, j, value in places:
            dy[0, f, i, j] = value
    return dy


def test_the_kernels_gradient_is_the_cross_correlation_of_image_and_output_gradient(lesson, image):
    backward = lesson["backward"]
    dy = output_gradient(backward)
    by_hand = np.array(
        [[(dy[0, f] * image[u : u + 26, v : v + 26]).sum() for u in range(3) for v in range(3)] for f in range(8)]
    )
    np.testing.assert_allclose(by_hand, backward["autograd"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(dy.sum(axis=(0, 2, 3)), backward["bias_autograd"], rtol=0, atol=1e-12)
    assert np.abs(by_hand).max() > 1e-3  # there is something to see


def test_torch_alone_finds_the_same_gradient(lesson, image):
    backward = lesson["backward"]
    W = torch.tensor(backward["filters"], dtype=torch.float64).reshape(8, 1, 3, 3).requires_grad_()
    F.conv2d(torch.tensor(image)[None, None], W).backward(torch.tensor(output_gradient(backward)))
    np.testing.assert_allclose(W.grad.reshape(8, 9).numpy(), backward["autograd"], rtol=0, atol=1e-6)


def test_the_exhibited_gradient_comes_from_the_recorded_filters(lesson):
    """Filters of the gradient are those that the scrubber shows at that epoch, and the loss is the probability's."""
    backward = lesson["backward"]
    assert backward["filters"] == lesson["filters"]["filters"][backward["epoch"]]
    assert backward["loss"] == pytest.approx(-np.log(backward["probability"]))


def test_the_layer_is_a_matrix_with_ties(lesson, image):
    m, backward = lesson["matrix"], lesson["backward"]
    crop = image[m["top"] : m["top"] + 6, m["left"] : m["left"] + 6][np.newaxis, np.newaxis]
    W = np.array(backward["filters"][m["filter"]]).reshape(1, 1, 3, 3)
    ties = Ties.of((1, 6, 6), W.shape, Geometry(3))
    y = forward_loops(crop, W, np.zeros(1), Geometry(3))
    np.testing.assert_allclose(ties.matrix(W) @ crop.ravel(), y.ravel(), atol=1e-12)
    span = slice(m["top"], m["top"] + 4), slice(m["left"], m["left"] + 4)
    dy = output_gradient(backward)[:, m["filter"]][(slice(None), *span)][:, np.newaxis]
    tied = backward_toeplitz(crop, W, dy, Geometry(3)).filters
    by_hand = [(dy[0, 0] * crop[0, 0, u : u + 4, v : v + 4]).sum() for u in range(3) for v in range(3)]
    np.testing.assert_allclose(tied.ravel(), by_hand, atol=1e-12)
    assert (m["n_dense"], m["n_nonzero"], m["n_free"]) == (8 * 26 * 26 * 28 * 28, 8 * 26 * 26 * 9, 72)


def test_answers_are_what_the_next_layer_gets(lesson, image):
    filters = lesson["filters"]
    for epoch in (0, QUICK.epochs):
        W = np.array(filters["filters"][epoch]).reshape(8, 1, 3, 3)
        y = np.maximum(0, forward_loops(image[None, None], W, np.array(filters["bias"][epoch]), Geometry(3))[0])
        pooled = y.reshape(8, 13, 2, 13, 2).max(axis=(2, 4))
        np.testing.assert_allclose(np.array(filters["answers"][epoch]).reshape(8, 13, 13), pooled, rtol=6e-3)


def test_the_frozen_twin_starts_alike_and_stays(lesson):
    learned, fixed = lesson["training"]["learned"], lesson["training"]["fixed"]
    assert learned["loss"][0] == fixed["loss"][0] == pytest.approx(np.log(10))
    assert set(fixed["move"]) == set(fixed["deep_move"]) == {0.0}
    assert learned["move"][-1] > 0 and learned["deep_move"][-1] > 0
    W = np.array(lesson["filters"]["filters"])
    moves = np.linalg.norm((W - W[0]).reshape(len(W), -1), axis=1) / np.linalg.norm(W[0])
    np.testing.assert_allclose(learned["move"], moves, atol=1e-6)


def test_the_weights_steps_lead_from_equal_ones_to_a_proven_optimum(lesson):
    w = lesson["weights"]
    weights, primal, dual = (np.array(w[name]) for name in ("weights", "primal", "dual"))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-9)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights[0], 1 / 12, atol=1e-9)
    assert dual.max() <= primal.min() * (1 + 1e-9)  # every bound is one of the same optimum
    assert (primal[-1] - dual[-1]) / primal[-1] <= w["tol"]
    assert (primal[0] - dual[0]) / primal[0] > 0.1


def test_the_gram_matrix_is_the_estimators_kernel(lesson):
    data = datasets.load(lesson["dataset"])
    chosen = nested_order(data.y, 0)[: QUICK.n_machine]
    X = (data.X / 255).reshape(len(data.X), -1)
    shown = np.array([np.frombuffer(bytes.fromhex(pixels), np.uint8) for pixels in lesson["shown"]]) / 255
    test = (data.X_test[:50] / 255).reshape(50, -1), data.y_test[:50]
    labels = np.array(lesson["shown_labels"])
    _, machine = learn_weights(X[chosen], data.y[chosen], (shown, labels), test, 28)
    K = machine.kernel_(shown)
    w, n = lesson["weights"], len(shown)
    summed = sum(mu * unfold(gram, n) for mu, gram in zip(w["weights"][-1], w["grams"], strict=True))
    np.testing.assert_allclose(summed, K, rtol=1e-4)
    np.testing.assert_allclose(np.tensordot(machine.weights_, base_grams(machine, shown), axes=1), K, rtol=1e-12)
    same = np.equal.outer(labels, labels).astype(float)
    assert w["alignment"][-1] == pytest.approx(centered_alignment(K, same), abs=1e-9)


def test_the_networks_kernel_is_a_matrix_of_cosines(lesson):
    n, meeting = len(lesson["shown"]), lesson["meeting"]
    assert meeting["epochs"][0] == 0 and meeting["epochs"][-1] == QUICK.epochs
    for gram in meeting["grams"]:
        K = unfold(gram, n)
        np.testing.assert_allclose(np.diag(K), 1, atol=1e-5)
        assert np.linalg.eigvalsh(K).min() > -1e-3 and K.max() <= 1 + 1e-5


def test_the_same_seed_gives_the_same_record(lesson):
    again = json.loads(json.dumps(make_lesson(plan=QUICK).to_dict()))
    assert again == lesson


@pytest.mark.parametrize("name, found", [("iris", "(150, 4)"), ("textures", "test part")])
def test_other_data_are_refused(name, found):
    with pytest.raises(ValueError) as caught:
        make_lesson(name)
    assert found in str(caught.value) and "fashion-mnist-small" in str(caught.value)


def test_too_few_images_are_refused():
    with pytest.raises(ValueError, match="at least 6050"):
        make_lesson(plan=lessons.Plan(n_network=6000))


@pytest.mark.parametrize("name", [NARROW, WIDE])
def test_the_packaged_studies_are_whole_and_survive_being_condensed(name):
    study = published_study(name)
    keys = {record.key for record in study.records}
    assert len(keys) == len(study.records)
    assert {sum(r.method == m and r.size == n for r in study.records) for _, m, n, _ in keys} == {5}  # seeds
    for record in study.records:
        assert len(record.correct) == 1000 and record.accuracy == sum(record.correct) / 1000
    cells = json.loads(condensed(study.records, study.command))["cells"]
    first = next(r for r in study.records if list(r.key[1:]) == cells[0][:3])
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(cells[0][3]), np.uint8), count=1000)
    assert bits.tolist() == first.correct


@pytest.mark.parametrize("version", ["learned", "random", "gabor"])
def test_a_cell_of_the_packaged_crossover_comes_out_again(version):
    """On another machine bits may differ, so a few of the 1,000 images may change sides."""
    packaged = next(r for r in published_study(NARROW).records if r.key[1:] == (version, 100, 0))
    again = run_cell(datasets.load("fashion-mnist-small"), version, 100, 0)
    assert np.mean(np.array(again.correct) != packaged.correct) < 0.02


def test_where_the_page_says_the_lines_cross_they_do():
    """The prose below the chart states these signs."""
    records = {r.key[1:]: r.accuracy for r in published_study(NARROW).records}

    def gain(rival, size):
        return np.mean([records["learned", size, seed] - records[rival, size, seed] for seed in range(5)])

    assert gain("random", 500) < 0.005 and gain("random", 4500) > 0.02
    assert min(gain("gabor", size) for size in (100, 500, 2000, 4500)) > 0.02
