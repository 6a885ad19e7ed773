"""Kernels of networks against Jacobians, finite differences and closed forms."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from kernelopt import ConvNetClassifier, MKLClassifier
from kernelopt.kernels import KernelStack
from kernelopt.kernels.shelf import content, sharing

torch = pytest.importorskip("torch")
from kernelopt.bridges.network_kernels import (  # noqa: E402
    NetworkKernel,
    random_network,
    random_network_kernels,
    tangent_features,
    trained_network_kernels,
)

X = np.random.default_rng(0).random((5, 64))


def outputs(network, rows):
    return network(torch.from_numpy(rows.reshape(-1, 1, 8, 8)))


@pytest.mark.parametrize("filters, kernel_size", [((3,), (3,)), ((3, 4), (3, 3)), ((2, 3, 2), (3, 5, 3))])
def test_the_tangent_kernel_is_that_of_autograd_jacobians(filters, kernel_size):
    """One row of the Jacobian at a time, by reverse mode over the whole network."""
    network = random_network((8, 8), 1, filters, kernel_size)
    rows = []
    for row in X:
        network.zero_grad()
        outputs(network, row[None])[0, 0].backward()
        rows.append(np.concatenate([p.grad.numpy().ravel() for p in network.parameters()]))
    J = np.array(rows)
    k = NetworkKernel(network, (1, 8, 8))
    np.testing.assert_allclose(k(X, X), J @ J.T, rtol=1e-10)
    np.testing.assert_allclose(k(X[:2], X[2:]), J[:2] @ J[2:].T, rtol=1e-10)
    np.testing.assert_allclose(k.diag(X), np.square(J).sum(axis=1), rtol=1e-10)


def test_gradients_are_differences_of_outputs():
    network = random_network((8, 8), 2)
    features = tangent_features(network, torch.from_numpy(X.reshape(-1, 1, 8, 8)))
    rng, at, step = np.random.default_rng(0), 0, 1e-6
    with torch.no_grad():
        for parameter in network.parameters():
            size = parameter.numel()
            for i in rng.choice(size, min(4, size), replace=False):
                place = np.unravel_index(i, parameter.shape)
                before = parameter[place].item()
                parameter[place] = before + step
                up = outputs(network, X)[:, 0].numpy()
                parameter[place] = before - step
                down = outputs(network, X)[:, 0].numpy()
                parameter[place] = before
                np.testing.assert_allclose(features[:, at + i], (up - down) / (2 * step), atol=1e-6)
            at += size
    assert at == features.shape[1]


def test_a_conjugate_kernel_is_the_inner_product_of_a_layers_outputs_and_part_of_the_tangent_kernel():
    """The gradient with respect to the head is what the last layer puts out, and 1 for its intercept."""
    network = random_network((8, 8), 3)
    with torch.no_grad():
        last = network.maps(torch.from_numpy(X.reshape(-1, 1, 8, 8))).flatten(1).numpy()
        first = network.maps(torch.from_numpy(X.reshape(-1, 1, 8, 8)), stop=1).flatten(1).numpy()
    np.testing.assert_allclose(NetworkKernel(network, (1, 8, 8), 1)(X, X), last @ last.T, rtol=1e-12)
    np.testing.assert_allclose(NetworkKernel(network, (1, 8, 8), -2)(X, X), first @ first.T, rtol=1e-12)
    with torch.no_grad():
        network.head.weight.zero_()  # then nothing before the head has a gradient
    np.testing.assert_allclose(NetworkKernel(network, (1, 8, 8))(X, X), last @ last.T + 1, rtol=1e-12)


def test_the_tangent_kernel_of_several_outputs_is_the_mean_over_them():
    images, labels = load_digits(return_X_y=True)
    images, labels = images[:80], labels[:80]
    fitted = ConvNetClassifier(filters=(3, 4), kernel_size=3, epochs=2, random_state=0).fit(images, labels)
    *conjugate, tangent = trained_network_kernels(fitted)
    network, new = fitted.network_, images[:4]
    standardised = torch.from_numpy((new.reshape(-1, 1, 8, 8) - fitted.pixel_mean_) / fitted.pixel_scale_)
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def values(flat):
        named, at = {}, 0
        for name, p in parameters.items():
            named[name], at = flat[at : at + p.numel()].reshape(p.shape), at + p.numel()
        return torch.func.functional_call(network, named, (standardised,))

    J = torch.autograd.functional.jacobian(values, torch.cat([p.reshape(-1) for p in parameters.values()])).numpy()
    np.testing.assert_allclose(tangent(new, new), np.einsum("icp,jcp->ij", J, J) / J.shape[1], rtol=1e-9)
    F = fitted.features(new)
    np.testing.assert_allclose(conjugate[-1](new, new), F @ F.T, rtol=1e-9)


def test_random_networks_are_told_apart_and_shared():
    one, again = (random_network_kernels(X, image_shape=(8, 8), seed=0) for _ in range(2))
    other = random_network_kernels(X, image_shape=(8, 8), seed=1)
    names = [content(kernel) for kernel in (*one, *other)]
    assert len(set(names)) == 6 and [content(kernel) for kernel in again] == names[:3]
    with sharing() as shelf:
        first = KernelStack.from_kernels(one, X)
        assert len(list(shelf.folder.iterdir())) == 3
        np.testing.assert_array_equal(KernelStack.from_kernels(again, X).leading, first.leading)


def test_kernel_learning_takes_them_and_copies_count_as_weights():
    images, labels = load_digits(return_X_y=True)
    images, labels = images[:150], labels[:150]
    kernels = lambda X, sample_weight=None: random_network_kernels(X, sample_weight, image_shape=(8, 8), draws=2)  # noqa: E731
    clf = MKLClassifier(kernels=kernels, C=10.0).fit(images[:100], labels[:100])
    assert clf.certificate_.holds(1e-4) and len(clf.weights_) == 6
    assert clf.kernel_names_[-1] == "tangent kernel, network 2"
    assert clf.score(images[100:], labels[100:]) > 0.8  # chance is 0.1
    weights = np.array([1.0, 2.0, 1.0, 3.0, 1.0])
    weighted = random_network_kernels(X, weights, image_shape=(8, 8))
    copied = random_network_kernels(np.repeat(X, weights.astype(int), axis=0), image_shape=(8, 8))
    for a, b in zip(weighted, copied, strict=True):
        np.testing.assert_allclose(a(X, X), b(X, X), rtol=1e-9)


def test_wrong_arguments_are_explained():
    network = random_network((8, 8), 0)
    with pytest.raises(ValueError, match="'tangent' or one of 2 layers, found 2"):
        NetworkKernel(network, (1, 8, 8), 2)
    with pytest.raises(ValueError, match="49 pixels, but X has 64"):
        random_network_kernels(X, image_shape=(7, 7))
