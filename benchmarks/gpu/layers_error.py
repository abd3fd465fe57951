"""What weight formats do to logits: a random Llama of eight layers against itself in float32."""

import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from benchmarks.gpu.shapes import build_shape
from server.attention.backend import AttentionBackend, AttentionSpec
from server.config import WeightFormat
from server.engine.batch import StepBatch
from server.models.config import ModelConfig
from server.models.decoder import Decoder
from server.models.kernels import Kernels, TorchKernels, choose_kernels
from server.models.loader import allocate, fill_randomly

NUM_TOKENS = 512
FORMATS: list[WeightFormat] = ["auto", "int8", "fp8"]


class PromptAttention(AttentionBackend):
    """Causal attention of one prompt, of which nothing is kept."""

    name = "prompt"

    def __init__(self) -> None:
        self.written: tuple[torch.Tensor, torch.Tensor]

    @classmethod
    def supports(cls, spec: AttentionSpec) -> list[str]:
        return []

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        self.written = k, v

    def prefill(self, layer: int, q: torch.Tensor, batch: StepBatch, num_rows: int) -> torch.Tensor:
        k, v = self.written
        inputs = [x.transpose(0, 1)[None] for x in (q, k.to(q.dtype), v)]
        return F.scaled_dot_product_attention(*inputs, is_causal=True, enable_gqa=True)[0].transpose(0, 1)

    def decode(self, layer: int, q: torch.Tensor, batch: StepBatch, first_row: int) -> torch.Tensor:
        return self.prefill(layer, q, batch, 0)


def logit_errors(device: torch.device) -> dict[str, dict[str, float]]:
    """For each weight format in bfloat16: differences to float32 logits, in standard deviations of the logits.

    Returns:
        Format -> root mean square and largest difference, and the share of tokens whose likeliest next token differs.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = build_shape(
            "llama-3-8b",
            Path(name),
            vocab_size=8192,
            hidden_size=1024,
            intermediate_size=3584,
            num_hidden_layers=8,
            num_attention_heads=8,
            num_key_value_heads=2,
            max_position_embeddings=NUM_TOKENS,
        )
        config = ModelConfig.from_directory(folder)
    exact = _logits(config, TorchKernels(), torch.float32, device)
    errors = {}
    for weight_format in FORMATS:
        kernels = choose_kernels(torch.bfloat16, device, weight_format)
        difference = (logits := _logits(config, kernels, torch.bfloat16, device)) - exact
        errors[weight_format] = {
            "rms": (difference.square().mean().sqrt() / exact.std()).item(),
            "largest": (difference.abs().max() / exact.std()).item(),
            "other_best": (logits.argmax(-1) != exact.argmax(-1)).float().mean().item(),
        }
    return errors


@torch.inference_mode()
def _logits(config: ModelConfig, kernels: Kernels, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    model = Decoder(config, kernels, device)
    # Drawn in bfloat16, so that every dtype starts from the same numbers.
    allocate(model.weights(), torch.bfloat16, device)
    fill_randomly(model.weights(), 0.05, 0, device)
    for parameter in model.weights():
        parameter.data = parameter.data.to(dtype)
    model.prepare()
    ids = torch.randint(config.vocab_size, (NUM_TOKENS,), generator=torch.Generator().manual_seed(0)).to(device)
    batch = StepBatch(
        rows=torch.zeros(1, dtype=torch.int64, device=device),
        token_ids=ids,
        positions=torch.arange(NUM_TOKENS, device=device),
        token_rows=torch.zeros(NUM_TOKENS, dtype=torch.int64, device=device),
        query_starts=torch.tensor([0, NUM_TOKENS], dtype=torch.int32, device=device),
        kv_lens=torch.tensor([NUM_TOKENS], dtype=torch.int32, device=device),
        query_lens=[NUM_TOKENS],
        host_kv_lens=[NUM_TOKENS],
        num_prefill_rows=1,
        num_prefill_tokens=NUM_TOKENS,
        rows_in_band=[1],
        tokens_in_band=[NUM_TOKENS],
        counts=torch.tensor([1, 1], dtype=torch.int32, device=device),
    )
    x, residual = model.embed(batch.token_ids, batch.positions), None
    attention = PromptAttention()
    for layer in model.layers:
        x, residual = layer(x, residual, batch, attention)
    return model.head(x, residual).float()
