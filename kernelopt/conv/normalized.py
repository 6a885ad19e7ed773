"""A layer whose responses are normalised, filter by filter, over the images of a batch."""

from __future__ import annotations

from typing import Any

from kernelopt.conv.conv2d import Conv2D
from kernelopt.errors import missing_extra

try:
    import torch
    from torch.nn import functional as F
except ImportError as error:
    raise missing_extra("torch", "conv") from error

MOMENTUM = 0.4  # weight of a batch in the running moments: short runs have few batches
EPSILON = 1e-5


class NormalizedConv2D(Conv2D):
    r"""Conv2D with batch normalisation between the correlation and the bias.

    .. math:: y_f = g\Bigl(b_f + \frac{r_f - m_f}{\sqrt{v_f + \epsilon}}\Bigr), \qquad r = W \star x

    While it is trained (``training``, and the weights are trainable), :math:`m_f` and :math:`v_f` are mean and variance
    over all pixels and images of the batch; otherwise they are running means of those of earlier batches, and of
    the start. So they are for a batch that has one value per filter, of one image and one pixel: it has no variance.
    The usual factor per filter is left out: the next layer's weights can take its place. With several
    processes the moments are those of each one's part of a batch.

    Parameters
    ----------
    *args, **kwargs
        As of :class:`~kernelopt.conv.conv2d.Conv2D`.

    References
    ----------
    S. Ioffe, C. Szegedy: Batch normalization. ICML 2015.

    Examples
    --------
    >>> layer = NormalizedConv2D(4, 3, data_format="channels_first", channels=1, seed=0)
    >>> y = layer.train()(torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    >>> torch.allclose(y.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-3)
    True
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        n_filters = len(self.weight)
        self.register_buffer("running_mean", torch.zeros(n_filters))
        self.register_buffer("running_var", torch.ones(n_filters))

    def correlate(self, x: torch.Tensor) -> torch.Tensor:
        """Return the normalised responses, bias included; `x` is (n, channels, h, w)."""
        bias, responses = self.bias, self.respond(x, None)
        several = responses[:, 0].numel() > 1
        ones = torch.ones_like(self.running_var)  # of the same type and place; torch wants it with a bias
        return F.batch_norm(
            responses, self.running_mean, self.running_var, None if bias is None else ones, bias,
            training=self.training and self.trainable and several, momentum=MOMENTUM, eps=EPSILON,
        )  # fmt: skip

    @torch.no_grad()
    def look(self, x: torch.Tensor) -> None:
        """Set the running moments to those of the responses to these images."""
        responses = self.respond(x, None)
        self.running_mean.copy_(responses.mean(dim=(0, 2, 3)))
        self.running_var.copy_(responses.var(dim=(0, 2, 3), correction=0))
