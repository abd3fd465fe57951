"""What bands that rows have left give to others, and cohorts of rows that leave them together."""

import pytest

from tests.engine.conftest import Results, collect, drain, greedy, request
from tests.engine.skip_oracle import LISTED, assert_greedy
from tests.engine.test_schedules import prompt_of


def test_bands_that_a_row_has_left_give_their_pages_to_others(make_deep, judge):
    """Of seven layers, one never runs after the prompt, and four more stop on the way."""
    core = make_deep("full", *LISTED[:1], page_size=4, prefix_caching=False, overlap=False)
    prompt = prompt_of(40)
    core.add(request("r", prompt, greedy(30), variant="linear"))
    held = []
    results: Results = {}
    while core.has_work:
        collect(results, core.step())
        core.check()
        held.append(core.stats().pages_used)
    # The prompt has ten blocks; when it is done, one layer has no more use for it.
    assert held[1] == 6 * 10
    assert max(held) == 6 * 10 + 7
    # In the end all 18 blocks of two layers, and the last page of those that have stopped.
    assert held[-2] == 2 * 18 + 5
    assert_greedy(judge, core, "linear", prompt, results["r", 0], 30)


def test_others_run_in_the_pages_that_stopped_bands_gave_up(make_deep):
    """In a pool in which one full row and its neighbour do not fit."""
    pages = 7 * 11 + 7 + 1
    for variant, num_together in (("full", 1), ("lean", 2)):
        core = make_deep(
            "full", "lean=skip(max_layers=2, min_layers=2)", page_size=4, num_pages=pages, max_model_len=44,
            prefix_caching=False, overlap=False,
        )  # fmt: skip
        core.add(request("first", prompt_of(36), greedy(6), variant=variant))
        for _ in range(3):
            core.step()
        core.add(request("second", prompt_of(20, 1), greedy(4), variant=variant))
        core.step()
        assert len(core.scheduler.running) == num_together
        drain(core)


def test_a_cohort_is_waited_for_no_longer_than_was_said(make_deep, judge):
    core = make_deep("full", *LISTED[:1], align_ms=2000.0, max_rows=6, overlap=False)
    now_s = [0.0]
    core.scheduler.cohorts.clock = lambda: now_s[0]

    def arrive(name, salt, variant="linear", num_tokens=12):
        core.add(request(name, prompt_of(6, salt), greedy(num_tokens), variant=variant))
        (sequence,) = core.scheduler.by_request[name]
        sequence.arrival_s = now_s[0]

    results: Results = {}

    def steps(count):
        for _ in range(count):
            collect(results, core.step())
        return {sequence.request.request_id for sequence in core.scheduler.running}

    arrive("a", 0)
    assert steps(2) == {"a"}
    now_s[0] = 1.0
    arrive("b", 1)
    arrive("whole", 2, variant="full", num_tokens=3)
    # Rows at full depth wait for nobody, and pass those who do.
    assert steps(2) == {"a", "whole"}
    now_s[0] = 2.5
    arrive("c", 3)
    assert steps(4) == {"a"}
    assert core.stats().num_waiting == 2
    now_s[0] = 3.0
    # The first has waited for two seconds, and takes the other along.
    assert steps(1) == {"a", "b", "c"}
    stats = core.stats()
    assert sum(stats.cohort_wait_counts) == 2
    assert stats.cohort_wait_s == pytest.approx(2.0 + 0.5)
    now_s[0] = 3.1
    arrive("d", 4)
    drain(core, results)
    for salt, name in enumerate(["a", "b", "whole", "c", "d"]):
        variant = "full" if name == "whole" else "linear"
        assert_greedy(judge, core, variant, prompt_of(6, salt), results[name, 0], 3 if name == "whole" else 12)


def test_a_cohort_decodes_in_step_however_many_steps_its_prompts_take(make_deep, judge):
    core = make_deep(
        "full", *LISTED[:1], align_ms=1e6, max_rows=8, max_step_tokens=32, prefix_caching=False, overlap=False
    )
    skip = core.variants["linear"].schedule
    for index in range(5):
        core.add(request(f"r{index}", prompt_of(21, index), greedy(15), variant="linear"))
    results = drain(core)
    depths = [skip.depth(index) for index in range(14)]
    # 105 tokens of prompts in four steps, and then all rows are at one position.
    assert core.stats().steps == 4 + 14
    assert core.stats().layers_read == 4 * 7 + sum(depths)
    for index in range(5):
        assert_greedy(judge, core, "linear", prompt_of(21, index), results[f"r{index}", 0], 15)


def test_as_many_as_there_is_room_for_need_not_wait(make_deep):
    core = make_deep(*LISTED[:1], align_ms=1e6, max_rows=3, overlap=False)
    core.add(request("a", prompt_of(6), greedy(20), variant="linear"))
    core.step()
    core.add(request("b", prompt_of(6, 1), greedy(4), variant="linear"))
    core.step()
    assert len(core.scheduler.running) == 1
    core.add(request("c", prompt_of(6, 2), greedy(4), variant="linear"))
    core.step()
    assert len(core.scheduler.running) == 3
    drain(core)
