"""One training run on several processes, each with its part of every batch; torch does the talking.

Nothing here starts processes. A script started by ``torchrun`` that has called
``torch.distributed.init_process_group`` and then fits an estimator trains on all of them::

    import torch.distributed as dist
    from kernelopt import ConvNetClassifier

    dist.init_process_group("gloo")  # "nccl" on GPUs, after torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    classifier = ConvNetClassifier(random_state=0).fit(X, y)  # the same data in every process
    dist.destroy_process_group()

    $ torchrun --nproc-per-node 2 script.py

Every process must be given the same data and parameters, and ends with the same network: the one that a
single process learns, up to rounding. As here, import first and make the process group afterwards: modules of torch
that are imported while there is a group keep it in their default arguments, so that destroying it does not end its
threads, which then may not survive the end of the program.
"""

from __future__ import annotations

from collections.abc import Callable

from kernelopt.errors import missing_extra

try:
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    if distributed.is_available():
        import torch.distributed.nn  # which DistributedDataParallel does when first used: after there is a group
except ImportError as error:
    raise missing_extra("torch", "conv") from error


class Team:
    """The processes that train together; one of them if there is no process group.

    Parameters
    ----------
    device : torch.device or str
        Where this process computes.

    Attributes
    ----------
    rank, size : int
        Number of this process, from 0, and how many there are.

    Examples
    --------
    >>> team = Team("cpu")
    >>> team.rank, team.size, team.agreed(7)
    (0, 1, 7)
    """

    def __init__(self, device: torch.device | str):
        self.device = torch.device(device)
        together = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if together else 0
        self.size = distributed.get_world_size() if together else 1

    def wrap(self, network: torch.nn.Module) -> Callable:
        """Return the network's forward pass, whose gradients are then averaged over the processes."""
        return network if self.size == 1 else DistributedDataParallel(network)

    def check(self, smallest_batch: int) -> None:
        """Raise unless every process has an image of every batch."""
        if smallest_batch < self.size:
            raise ValueError(
                f"the smallest batch has {smallest_batch} image(s), but {self.size} processes need one each. Use a "
                f"larger batch_size or fewer processes."
            )

    def mine(self, n: int) -> slice:
        """Return which of the n images of a batch are this process's."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def total(self, numbers: torch.Tensor) -> torch.Tensor:
        """Return the sum of the numbers over the processes."""
        if self.size > 1:
            distributed.all_reduce(numbers)
        return numbers

    def agreed(self, number: int) -> int:
        """Return the number that the first process has, such as a seed."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.int64, device=self.device)
        distributed.broadcast(told, src=0)
        return int(told)
