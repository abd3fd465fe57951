"""The oracle itself agrees with transformers."""

import torch
from transformers import AutoModelForCausalLM

from tests.oracle import Oracle, window_mask


def test_the_oracle_has_transformers_logits(tiny_llama, tiny_mistral):
    ids = torch.randint(0, 380, (40,), generator=torch.Generator().manual_seed(5)).tolist()
    for path in (tiny_llama, tiny_mistral):
        theirs = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float64, attn_implementation="eager")
        with torch.inference_mode():
            expected = theirs(torch.tensor([ids])).logits[0]
        assert (Oracle.from_directory(path).logits(ids) - expected).abs().max() < 1e-4


def test_masks_reach_only_the_heads_and_positions_they_name(oracle):
    ids = list(range(5, 30))
    plain = oracle.logits(ids)
    wide = oracle.logits(ids, head_mask=lambda layer, head, length: window_mask(length, 0, length))
    assert torch.equal(plain, wide)

    def narrow_one_head(layer: int, head: int, length: int) -> torch.Tensor:
        return window_mask(length, 2, 4 if (layer, head) == (1, 0) else length)

    narrowed = oracle.logits(ids, head_mask=narrow_one_head)
    # Position 5 sees keys 0, 1 and 2..5: the first where the window hides nothing is 5, the first where it does is 6.
    assert torch.equal(plain[:6], narrowed[:6])
    assert not torch.allclose(plain[6:], narrowed[6:])
    gates = torch.ones(4, len(ids), dtype=torch.bool)
    gates[2, 20:] = False
    shallow = oracle.logits(ids, layer_mask=gates)
    assert torch.equal(plain[:20], shallow[:20])
    assert not torch.allclose(plain[20:], shallow[20:])
