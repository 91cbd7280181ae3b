"""What every format contains: the network and its decoding."""

from __future__ import annotations

import torch

from seglab.export.inference_model import InferenceModel
from seglab.inference.decode import decode


def test_the_exported_module_is_the_network_and_its_decoding(network, images):
    raw = network(images)
    predictions, prototypes = InferenceModel(network)(images)
    torch.testing.assert_close(predictions, decode(raw, 160, 160), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(prototypes, raw.prototypes, rtol=1e-4, atol=1e-4)
