import numpy as np
import pytest
import torch

from kernelopt.conv.layers import build_layers
from kernelopt.conv.network import ConvNet
from kernelopt.conv.optimizers import Muon, make_optimizers, orthogonalised, set_state, state_tensors
from kernelopt.conv.recipe import OPTIMIZERS


@pytest.mark.parametrize("shape", [(6, 25), (25, 6), (9, 9)])
def test_orthogonalised_keeps_the_singular_vectors_and_levels_the_values(shape):
    G = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    U, _, Vh = torch.linalg.svd(G, full_matrices=False)
    X = orthogonalised(G)
    assert X.shape == G.shape
    S = U.T @ X @ Vh.T  # diagonal in the same basis
    np.testing.assert_allclose(S - torch.diag(S.diagonal()), 0, atol=1e-10)
    assert S.diagonal().min() > 0.6 and S.diagonal().max() < 1.25


def test_the_levelled_values_are_those_of_the_polynomial():
    x = 0.37
    expected = x / np.hypot(x, 1.0)
    for _ in range(5):
        expected = 3.4445 * expected - 4.7750 * expected**3 + 2.0315 * expected**5
    found = orthogonalised(torch.diag(torch.tensor([1.0, x], dtype=torch.float64)))[1, 1]
    assert float(found) == pytest.approx(expected, rel=1e-10)


def test_muons_steps_are_as_its_formula_says():
    weight = torch.nn.Parameter(torch.ones(3, 2, 1, 2, dtype=torch.float64))
    optimizer = Muon([weight], lr=0.1, weight_decay=0.5, momentum=0.9)
    W, B = np.ones((3, 4)), np.zeros((3, 4))
    rng = np.random.default_rng(0)
    for _ in range(3):
        G = rng.normal(size=(3, 4))
        weight.grad = torch.from_numpy(G.reshape(3, 2, 1, 2))
        optimizer.step()
        B = 0.9 * B + G
        W = (1 - 0.1 * 0.5) * W - 0.2 * 0.1 * 2 * orthogonalised(torch.from_numpy(G + 0.9 * B)).numpy()
        np.testing.assert_allclose(weight.detach().flatten(1), W, atol=1e-12)


def test_muon_leaves_frozen_filters_and_a_gradient_of_zero_alone():
    weight = torch.nn.Parameter(torch.ones(2, 2))
    Muon([weight], lr=0.1).step()
    weight.grad = torch.zeros(2, 2)
    Muon([weight], lr=0.1).step()
    assert torch.equal(weight.detach(), torch.ones(2, 2))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_moves_once_per_step_and_the_state_is_all_there_is(name):
    def gradients(network, seed):
        generator = torch.Generator().manual_seed(seed)
        for parameter in network.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)

    def steps(network, optimizers, seeds):
        for seed in seeds:
            gradients(network, seed)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = 0.01
                optimizer.step()

    whole, halves = (ConvNet(build_layers(filters=(2, 3), kernel_size=3), (1, 6, 6), 2) for _ in range(2))
    start = {key: value.clone() for key, value in whole.state_dict().items()}
    steps(whole, make_optimizers(name, whole, 0.1), range(5))
    first = make_optimizers(name, halves, 0.1)
    steps(halves, first, range(2))
    second = make_optimizers(name, halves, 0.1)
    set_state(second, state_tensors(first))
    steps(halves, second, range(2, 5))
    for key, value in whole.state_dict().items():
        assert not torch.equal(value, start[key]), key
        assert torch.equal(value, halves.state_dict()[key]), key
