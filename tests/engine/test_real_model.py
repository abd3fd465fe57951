"""A trained checkpoint says the same through the engine as through transformers."""

import torch
from transformers import AutoModelForCausalLM

from server.engine.tokenizer import Tokenizer
from tests.engine.conftest import drain, greedy, request

PROMPTS = [
    "Once upon a time",
    "Lily and Tom went to the park",
    "The dog",
    '"Can I play?" asked',
    "One day, a big bear",
    "It was raining, so",
    "Mom said that the cake",
    "In the forest there lived",
    "She was very sad because",
    "A",
]


def test_two_hundred_greedy_tokens_of_ten_prompts_are_transformers(make_core, stories260k):
    tokenizer = Tokenizer.from_directory(stories260k)
    prompts = [tokenizer.encode(prompt) for prompt in PROMPTS]
    theirs = AutoModelForCausalLM.from_pretrained(stories260k, dtype=torch.float32)
    core = make_core(model=stories260k, page_size=16, max_rows=10, max_step_tokens=64, num_pages=2000)
    for index, prompt in enumerate(prompts):
        core.add(request(f"r{index}", prompt, greedy(200)))
    results = drain(core)
    for index, prompt in enumerate(prompts):
        with torch.inference_mode():
            expected = theirs.generate(
                torch.tensor([prompt]),
                do_sample=False,
                max_new_tokens=200,
                min_new_tokens=200,
                eos_token_id=[],
                pad_token_id=0,
            )[0].tolist()
        assert results[f"r{index}", 0].token_ids == expected[len(prompt) :]
