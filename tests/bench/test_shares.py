"""A load that several client processes share."""

from hypothesis import given
from hypothesis import strategies as st

from server.bench.client import ENDPOINTS
from server.bench.datasets import Prompt
from server.bench.shares import Share, Target, run_share, run_shares


def share_of(url: str, num_prompts: int, max_concurrency: int | None) -> Share:
    prompts = [Prompt(f"prompt {index}", [1], output_len=1 + index % 3) for index in range(num_prompts)]
    target = Target(url, "openai", ENDPOINTS["openai"])
    return Share(target, "story", prompts, [0.001 * index for index in range(num_prompts)], max_concurrency)


@given(st.integers(1, 40), st.none() | st.integers(1, 20), st.integers(1, 8))
def test_shares_are_together_the_whole(num_prompts, max_concurrency, num_shares):
    whole = share_of("http://a", num_prompts, max_concurrency)
    shares = whole.split(num_shares)
    assert sorted(prompt.text for share in shares for prompt in share.prompts) == sorted(p.text for p in whole.prompts)
    assert sorted(time for share in shares for time in share.times_s) == whole.times_s
    assert all(share.prompts and share.times_s == sorted(share.times_s) for share in shares)
    if max_concurrency is not None:
        assert sum(share.max_concurrency or 0 for share in shares) == max(max_concurrency, len(shares))
        assert all(share.max_concurrency for share in shares)


async def test_two_processes_give_the_results_of_one_in_the_order_of_the_prompts(peer):
    whole = share_of(peer.url, 7, 4)
    num_done = 0

    def count() -> None:
        nonlocal num_done
        num_done += 1

    shared = await run_shares(whole.split(2), count)
    alone = await run_share(whole)
    assert num_done == 7
    assert [result.error for result in shared.results] == [None] * 7
    for one, other in zip(shared.results, alone.results, strict=True):
        assert (one.output_len, one.num_chunks, one.text) == (other.output_len, other.num_chunks, other.text)
        assert len(one.itls_s) == one.num_chunks - 1
    assert 0 < shared.client_cpu_share < 1.5
    assert shared.duration_s > 0
