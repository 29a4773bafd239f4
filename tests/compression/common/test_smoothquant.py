"""SmoothQuant makes a network easier to quantize without changing its function."""

from typing import Any

import pytest
import torch

from tandem.compression.common import smoothquant
from tandem.core.errors import StageError
from tandem.core.rows import Row

IDS = torch.randint(2, 390, (4, 11), generator=torch.Generator().manual_seed(0))


def test_the_network_computes_the_same(probe: Any, rows: list[Row]) -> None:
    if probe.network.config.model_type != "llama":
        with pytest.raises(StageError, match="smoothing does not support"):
            smoothquant.smooth(probe, rows, 8, 0.5)
        return
    with torch.inference_mode():
        before = probe.logits(probe.network, IDS)
    weight = probe.network.get_parameter("model.layers.0.mlp.down_proj.weight").clone()
    smoothquant.smooth(probe, rows, 8, 0.5)
    assert not torch.allclose(
        weight, probe.network.get_parameter("model.layers.0.mlp.down_proj.weight")
    )
    with torch.inference_mode():
        assert torch.allclose(probe.logits(probe.network, IDS), before, atol=1e-5)


def test_an_outlying_channel_moves_into_the_weights(probe: Any, rows: list[Row]) -> None:
    if probe.network.config.model_type != "llama":
        pytest.skip("not smoothed")
    norm = probe.network.get_submodule("model.layers.1.input_layernorm")
    with torch.no_grad():
        norm.weight[3] *= 100
    smoothquant.smooth(probe, rows, 8, 1.0)
    layer = probe.network.get_submodule("model.layers.1.self_attn.q_proj")
    (result,) = smoothquant._ranges(probe, rows[:8], [layer])
    assert result.max() < 2 * result.median()
