"""Convolutions whose weights nobody trains, on a CPU: kept in the order of memory that oneDNN computes with.

`conv2d` puts them into that order at every call: much of the time of a small batch, where a weight serves few pixels.
With AVX2 or newer the answers are the same bit for bit.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

LARGEST = 2**28  # bytes of such weights, of which a few copies are kept; a larger model is bound by its arithmetic
ONE, NONE = [1, 1], "none"


class FrozenConv2d(nn.Conv2d):
    """A 3 x 3 convolution of stride 1; as long as its weight is not trained and stays as it is, it is packed once.

    Once for each shape of images: the order may hang on it, and a result must not hang on which came first.
    """

    _packed: tuple[tuple[int, int], dict[tuple[bool, torch.Size], Tensor]] | None = None

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, h, w) to (B, D, h, w), channels last."""
        frozen = not self.weight.requires_grad and input.dtype is torch.float32 and input.device.type == "cpu"
        if not frozen or len(input) == 1:  # a single image `conv2d` may compute without oneDNN, and round otherwise
            return super().forward(input)
        return cast(Tensor, _Convolution.apply(input, self))

    def packed(self, flipped: bool, shape: torch.Size) -> Tensor:
        """The weight for images of that shape, or what takes the output's gradient back to the input's.

        That is again a convolution, with input and output channels exchanged and the kernel turned by 180 degrees.
        """
        state = (self.weight.data_ptr(), self.weight._version)
        if self._packed is None or self._packed[0] != state:
            self._packed = (state, {})
        found = self._packed[1]
        if (flipped, shape) not in found:
            weight = self.weight.detach()
            plain = weight.flip(2, 3).transpose(0, 1).contiguous() if flipped else weight
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
            found[flipped, shape] = reorder(plain.to_mkldnn(), ONE, ONE, ONE, 1, list(shape))
        return found[flipped, shape]


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, layer: FrozenConv2d) -> Tensor:
        ctx.layer = layer
        return _convolve(images, layer.packed(False, images.shape), layer.bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None]:
        if not ctx.needs_input_grad[0]:
            return None, None
        return _convolve(grad, ctx.layer.packed(True, grad.shape), None), None


def _convolve(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    images = images.contiguous(memory_format=torch.channels_last)
    answer: Tensor = torch.ops.mkldnn._convolution_pointwise(images, weight, bias, ONE, ONE, ONE, 1, NONE, [], "")
    return answer


def freeze(model: nn.Module) -> None:
    """Let every 3 x 3 convolution of stride 1 be a `FrozenConv2d`, in place and for good, where that helps."""
    wanted = [module for module in model.modules() if type(module) is nn.Conv2d and _fits(module)]
    size = sum(module.weight.numel() * module.weight.element_size() for module in wanted)
    if size <= LARGEST and _is_available():
        for module in wanted:
            module.__class__ = FrozenConv2d


def _fits(layer: nn.Conv2d) -> bool:
    plain = (layer.groups, layer.padding_mode, layer.dilation) == (1, "zeros", (1, 1))
    shape = (layer.kernel_size, layer.stride, layer.padding) == ((3, 3), (1, 1), (1, 1))
    return plain and shape and layer.weight.dtype is torch.float32


def _is_available() -> bool:
    """Whether this build of torch has oneDNN, and the two functions, which its compiler uses as well."""
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(torch._C._nn, "mkldnn_reorder_conv2d_weight")
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
    )
