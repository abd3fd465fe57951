"""The oracle of fine-tuning: a response one token at a time, as it is decoded.

Every token goes by itself through the layers that its depth runs, and attends in each of them to the tokens that ran it
before. Slow, and with gradients.
"""

import torch
from transformers import DynamicCache, PreTrainedModel

from server.depth.schedule import ExitSchedule, Extent
from server.finetune.rows import Row


def logits_of(model: PreTrainedModel, row: Row, schedule: ExitSchedule) -> torch.Tensor:
    """What predicts each token of the response, [targets, vocab]."""
    body = getattr(model.model, "decoder", model.model)
    extent = Extent(row.prompt_len, row.num_targets)
    num_layers = len(body.layers)
    cache = DynamicCache(config=model.config)
    found = []
    for position, token in enumerate(row.token_ids[:-1]):
        index = position - row.prompt_len
        at = torch.tensor([[position]])
        x = body.embed_tokens(torch.tensor([[token]]))
        arguments = {}
        if hasattr(body, "rotary_emb"):
            arguments["position_embeddings"] = body.rotary_emb(x, position_ids=at)
        else:
            x = x if body.project_in is None else body.project_in(x)
            x = x + body.embed_positions(torch.ones(1, position + 1), 0, position_ids=at)
        for number, layer in enumerate(body.layers):
            if index < 0 or schedule.runs(number, schedule.depth(index, extent), num_layers):
                x = layer(x, attention_mask=None, position_ids=at, past_key_values=cache, use_cache=True, **arguments)
        if hasattr(body, "norm"):
            x = body.norm(x)
        else:
            x = x if body.final_layer_norm is None else body.final_layer_norm(x)
            x = x if body.project_out is None else body.project_out(x)
        if index >= -1:
            found.append(model.lm_head(x)[0, 0])
    return torch.stack(found)
