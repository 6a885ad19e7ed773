"""Where and how torch computes: the device, the number of threads, the precision of inference."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from kernelopt.conv.network import ConvNet, in_batches
from kernelopt.errors import missing_extra

try:
    import torch
except ImportError as error:
    raise missing_extra("torch", "conv") from error

DEVICES = ("auto", "cpu", "cuda")


def find_device(device: str) -> torch.device:
    """Return the device of the given name; "auto" is CUDA if there is a GPU, else the CPU.

    Raises
    ------
    ValueError
        If the name is unknown, or CUDA is asked for and there is none.

    Examples
    --------
    >>> find_device("cpu")
    device(type='cpu')
    """
    if device not in DEVICES:
        raise ValueError(f"device={device!r}, but expected one of {DEVICES}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device='cuda', but torch finds no CUDA device here. Pass device='cpu' or 'auto'.")
    use_cuda = device == "cuda" or device == "auto" and torch.cuda.is_available()
    return torch.device("cuda" if use_cuda else "cpu")


@contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Run torch with this many threads and deterministic, full-precision convolutions; then restore all.

    Gradients are switched on, should the caller have switched them off.

    The same seed gives the same bits only for the same number of threads. One is the default because
    on a busy machine two were measured to be twenty times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with exact, torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        torch.set_num_threads(before)


def infer(
    network: ConvNet,
    function: Callable[[ConvNet, torch.Tensor], torch.Tensor],
    images: np.ndarray,
    device: torch.device,
    threads: int,
) -> np.ndarray:
    """Return ``function(network, images)`` in the precision of the network, which stays where it is.

    Parameters
    ----------
    network : ConvNet
        On the CPU.
    function : callable
        Takes the network and a batch of images, returns one row for each image.
    images : array of shape (n, c, h, w)
    device : torch.device
        Where to compute.
    threads : int

    Returns
    -------
    array of shape (n, ...)
    """
    if device.type != "cpu":
        network = copy.deepcopy(network).to(device)
    x = torch.from_numpy(images).to(network.head.weight.dtype)
    with reproducible(threads):
        return in_batches(lambda batch: function(network, batch.to(device)).cpu(), x).numpy()
