"""The parts of the embedded model in PyTorch."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra train is not installed")


def test_depthwise_convolution_is_the_same_in_both_ways_of_computing_it() -> None:
    from imagejudge.builtin.training.network.model import DepthwiseConv

    torch.manual_seed(3)
    layer = DepthwiseConv(channels=6, kernel=5, side=8)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 64, 6)
    by_library, by_matrix = layer(x), layer(x.double())
    assert by_library.shape == by_matrix.shape == x.shape
    torch.testing.assert_close(by_library.double(), by_matrix, rtol=1e-4, atol=1e-5)
