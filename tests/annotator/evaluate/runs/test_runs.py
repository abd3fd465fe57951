"""A frozen dataset against a scripted server over real HTTP: every question once, whatever the server does."""

import json
import threading
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from annotator.errors import ForbiddenError
from annotator.evaluate import records, runs, store, wire
from annotator.evaluate.config import RunConfig
from annotator.evaluate.numbers import compare_runs, summary_of
from annotator.evaluate.selection import select_items
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.library import MapLibrary
from annotator.store.tables import eval_event, eval_item
from annotator.store.times import utc_now
from tests.annotator.evaluate.runs.conftest import ACTOR, NUM_ITEMS, Town
from tests.annotator.evaluate.runs.scripted import chunk, for_ever, http, says, served, stream


def test_a_run_asks_every_question_once_and_judges_the_replies(town: Town) -> None:
    with served(lambda body: says("The nearest one.\nAnswer: A")) as server:
        run, found = town.evaluate(server.url, model="tiny:fast", temperature=0.5, seed=7)
    assert Counter(one.judgement.verdict for one in found) == {"right": 4, "wrong": 1, "invalid": 1}
    assert len({one.facts.item_id for one in found}) == NUM_ITEMS
    assert len(server.bodies) == NUM_ITEMS
    sent = server.bodies[0]
    assert (sent["model"], sent["temperature"], sent["seed"], sent["max_tokens"]) == ("tiny:fast", 0.5, 7, 60)
    assert sent["stream"] is True
    asked = {text.split("Question: ")[1].split("\n")[0] for text in server.questions()}
    assert asked == {item.question for item in town.items}
    assert all('answer "unanswerable"' in text for text in server.questions())
    assert all(one.prompt_tokens == 50 and one.completion_tokens == 5 for one in found)
    assert all(one.first_token_ms is not None and 0 <= one.first_token_ms <= one.latency_ms for one in found)
    with town.database.reading() as connection:
        kept = store.get_run(connection, run.project_id, run.id)
        assert summary_of(connection, kept).overall.num_right == 4
        facts = store.facts_of_run(connection, kept)
    assert kept.server["version"] == "9.9"
    assert kept.finished_at is not None
    assert (facts.snapshot, facts.variant, facts.template) == ("town/walks@1.0.0", "fast", "text_context 1")


def test_abstaining_is_right_exactly_where_there_is_no_answer(town: Town) -> None:
    with served(lambda body: says("Answer: unanswerable")) as server:
        _, found = town.evaluate(server.url)
    verdicts = {one.facts.is_answerable: one.judgement.verdict for one in found}
    assert verdicts == {True: "abstained", False: "right"}


def test_prompts_are_the_same_for_every_model_and_abstaining_is_never_offered_if_it_is_not(town: Town) -> None:
    with served(lambda body: says("Answer: A")) as server:
        one, _ = town.evaluate(server.url, abstain="never", shuffle_seed=3)
        other, _ = town.evaluate(server.url, abstain="never", shuffle_seed=3, model="tiny:fast")
        third, _ = town.evaluate(server.url, abstain="never", shuffle_seed=4)
        with town.database.reading() as connection:
            pair = compare_runs(connection, [one, other]).pairs[0]
    assert not any("unanswerable" in text for text in server.questions())
    with town.database.reading() as connection:
        shas = [[row.prompt_sha for row in records.item_rows(connection, run.id)] for run in (one, other, third)]
    assert shas[0] == shas[1]
    assert shas[0] != shas[2]
    assert (pair.difference, pair.p, pair.num) == (0, 1, NUM_ITEMS)


def test_whatever_the_server_does_is_a_verdict_of_one_question_and_the_run_goes_on(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "FIRST_PAUSE_S", 0.001)
    over = threading.Event()
    right = says("Answer: A")

    def hang(_: int) -> bytes:
        over.wait(20)
        return b""

    slow_down = http(429, {"error": {"message": "slow down"}}, headers={"retry-after": "0"})
    behaviours = [
        lambda n: slow_down if n == 0 else right,
        lambda n: http(500, "oh no") if n == 0 else right,
        hang,
        lambda n: stream(b"data: {nonsense\n\n"),
        lambda n: http(200, "<html>hello</html>", headers={"content-type": "text/html"}),
        lambda n: stream(b'data: {"choices": []}\n\n', b"data: [DONE]\n\n"),
        lambda n: for_ever(stream(), chunk({"content": "and so on "})),
        lambda n: for_ever(stream(), b"x" * 65536),
        lambda n: stream(chunk({"content": "Ans"})),
        lambda n: http(400, {"error": {"message": "too long for me"}}),
        lambda n: http(200, {"choices": [{"message": {"content": "Answer: A"}, "finish_reason": "stop"}]}),
        lambda n: stream(b'data: {"choices": [7]}\n\n'),
    ]
    seen: dict[str, int] = {}
    turns: Counter[str] = Counter()

    def play(body: dict) -> bytes:
        key = f"{body['messages'][0]['content']}{body['seed']}"
        which = seen.setdefault(key, len(seen))
        turns[key] += 1
        return behaviours[which](turns[key] - 1)

    with served(play) as server:
        run = town.begin(
            server.url, concurrency=1, timeout_s=0.4, max_retries=1, max_failures=20, epochs=2, max_tokens=40
        )
        job = town.work(run, server.url)
        over.set()
    assert job.state == "done", job.message
    found = sorted(town.results(run), key=lambda one: (one.epoch, one.facts.number))
    details = [(one.judgement.verdict, one.judgement.detail) for one in found]
    # In the dataset's order, the distance is the fifth and the question without an answer the sixth of each epoch.
    assert [verdict for verdict, _ in details] == [
        "right",
        "right",
        "error",
        "error",
        "error",
        "error",
        "limit",
        "error",
        "error",
        "error",
        "invalid",
        "error",
    ]
    for (_, detail), words in zip(
        [details[index] for index in (2, 3, 4, 5, 6, 7, 8, 9, 11)],
        (
            "did not answer within 0.4 s",
            "something that is no completion",
            "text/html",
            "without choices",
            "did not stop after 40 tokens",
            "something that is no completion",
            "broke off",
            "too long for me",
            "choices that are none",
        ),
        strict=True,
    ):
        assert words in detail
        assert "\n" not in detail
    with town.database.reading() as connection:
        retried = select(eval_event.c.question_id).where(eval_event.c.kind == "retry")
        assert len(connection.execute(retried).all()) == 3


def test_a_server_that_knows_parameters_by_other_names_is_asked_so(town: Town) -> None:
    def play(body: dict) -> bytes:
        for name, hint in (("stream_options", "stream_options"), ("max_tokens", "max_completion_tokens")):
            if name in body:
                return http(400, {"error": {"message": f"unknown parameter, see {hint}"}})
        return says("Answer: A")

    with served(play) as server:
        _, found = town.evaluate(server.url, concurrency=1)
    assert "error" not in {one.judgement.verdict for one in found}
    # What a server refused once is not tried again.
    assert len(server.bodies) == NUM_ITEMS + 2
    assert server.bodies[-1]["max_completion_tokens"] == 60


def test_a_server_that_is_down_stops_the_run_and_costs_no_question(town: Town) -> None:
    answers = iter([says("Answer: A"), says("Answer: A")])
    with served(lambda body: next(answers, http(503, {"error": {"message": "starting"}}))) as server:
        run = town.begin(server.url, concurrency=1, max_failures=2)
        job = town.work(run, server.url)
        assert job.state == "failed"
        assert "HTTP 503: starting" in job.message
        assert "resume" in job.message
        assert len(town.results(run)) == 2
        server.play = lambda body: says("Answer: A")
        server.bodies.clear()
        run = town.resume(run, server.url)
        assert town.work(run, server.url).state == "done"
        # Only what was missing was asked.
        assert len(server.bodies) == NUM_ITEMS - 2
    assert Counter(one.judgement.verdict for one in town.results(run)) == {"right": 4, "wrong": 1, "invalid": 1}


def test_a_server_that_refuses_the_key_stops_the_run_at_once(town: Town) -> None:
    with served(lambda body: http(401, {"error": {"message": "who are you?"}})) as server:
        run = town.begin(server.url, concurrency=1)
        job = town.work(run, server.url)
        assert (job.state, len(server.bodies), town.results(run)) == ("failed", 1, [])
        assert "who are you?" in job.message


def test_a_run_of_one_question_tells_that_nobody_is_there(town: Town) -> None:
    with served(lambda body: http(500, "")) as server:
        run = town.begin(server.url, limit=1)
        assert town.work(run, server.url).state == "failed"
        assert town.results(run) == []


def test_a_cancelled_run_keeps_what_was_asked_and_goes_on_later(town: Town) -> None:
    reached, over = threading.Event(), threading.Event()

    def play(body: dict) -> bytes:
        if len(server.bodies) > 2:
            reached.set()
            over.wait(20)
        return says("Answer: A")

    with served(play) as server:
        run = town.begin(server.url, concurrency=1)
        work = threading.Thread(target=town.work, args=(run, server.url))
        work.start()
        assert reached.wait(20)
        with town.database.writing() as connection:
            runs.cancel(connection, ACTOR, run, now=utc_now())
        work.join(20)
        assert not work.is_alive()
        over.set()
        assert town.job(run).state == "cancelled"
        assert len(town.results(run)) == 2
        run = town.resume(run, server.url)
        assert town.work(run, server.url).state == "done"
    found = town.results(run)
    assert len(found) == len({one.facts.item_id for one in found}) == NUM_ITEMS


def test_failed_questions_are_asked_again_on_demand(town: Town) -> None:
    with served(lambda body: stream(b"data: {nonsense\n\n")) as server:
        run, found = town.evaluate(server.url)
        assert {one.judgement.verdict for one in found} == {"error"}
        server.play = lambda body: says("Answer: A")
        run = town.resume(run, server.url, again=True)
        assert town.work(run, server.url).state == "done"
    assert Counter(one.judgement.verdict for one in town.results(run)) == {"right": 4, "wrong": 1, "invalid": 1}
    with town.database.reading() as connection:
        events = set(connection.execute(select(eval_event.c.question_id)).scalars())
        assert events == set(connection.execute(select(eval_item.c.question_id)).scalars())


def test_every_epoch_asks_with_another_seed_and_another_order(town: Town) -> None:
    with served(lambda body: says("Answer: A")) as server:
        _, found = town.evaluate(server.url, epochs=3, shuffle_seed=1, limit=3)
    assert len(found) == 9
    assert Counter(body["seed"] for body in server.bodies) == {0: 3, 1: 3, 2: 3}
    assert len({json.dumps(body["messages"]) for body in server.bodies}) > 3


def test_a_sample_is_drawn_by_its_seed_and_a_longer_one_holds_a_shorter_one(town: Town) -> None:
    with town.database.reading() as connection, served(lambda body: says("")) as server:
        config = town.begin(server.url).config

        def chosen(limit: int, seed: int = 0) -> set[str]:
            wanted = config.model_copy(update={"limit": limit, "sample_seed": seed})
            return {one.question_id for one in select_items(connection, town.snapshot, wanted).chosen}

        assert chosen(2) < chosen(4) < chosen(99)
        assert len({frozenset(chosen(3, seed)) for seed in range(8)}) > 1


def test_contexts_come_as_text_as_json_as_evidence_or_not_at_all(town: Town) -> None:
    item = town.items[0]
    with served(lambda body: says("Answer: A")) as server:
        sent = {}
        for mode in ("closed_book", "text_context", "json_context", "oracle_evidence"):
            server.bodies.clear()
            town.evaluate(server.url, mode=mode)
            sent[mode] = next(text for text in server.questions() if item.question in text)
    assert sent["closed_book"].startswith("Question: ")
    assert sent["text_context"].startswith(f"{item.context.text.strip()}\n\nQuestion: ")
    assert json.loads(sent["json_context"].partition("\n\nQuestion: ")[0]) == item.context.json_content
    shown = [json.loads(line) for line in sent["oracle_evidence"].partition("\n\nQuestion: ")[0].splitlines()]
    assert [one["value"] for one in shown] == [evidence.value for evidence in item.evidence]


def test_nothing_goes_to_a_model_without_or_after_consent(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(lambda body: says("Answer: A")) as server:
        run = town.begin(server.url)
        catalogue = Catalogue(town.settings, MapLibrary(town.settings.data_dir), {})
        strict = [
            SimpleNamespace(info=replace(one.info, policy=replace(one.info.policy, evaluation="needs_consent")))
            for one in catalogue.providers()
        ]
        monkeypatch.setattr(catalogue, "providers", lambda: strict)
        with town.database.reading() as connection:
            with pytest.raises(ForbiddenError, match="keep its content from language models"):
                runs.check_resume(connection, catalogue, run)
            with pytest.raises(ForbiddenError):
                runs.check_run(connection, catalogue, town.project, town.snapshot, RunConfig(mode="tools"))
            closed = RunConfig(mode="closed_book")
            assert runs.check_run(connection, catalogue, town.project, town.snapshot, closed) == NUM_ITEMS
