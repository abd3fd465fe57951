"""Freezing: whole or not at all, and refused with every reason."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from annotator.cache.json_text import canonical, sha256_hex
from annotator.datasets import snapshots
from annotator.datasets.freeze import freeze
from annotator.datasets.items import ItemFilter, items, lines, unfrozen
from annotator.datasets.manifest import read_manifest
from annotator.datasets.plan import FreezeRequest, plan
from annotator.datasets.provenance import provenance_of
from annotator.datasets.verify import verify_snapshot
from annotator.errors import ConflictError, FreezeError, InputError
from annotator.maps.provider import Policy, ProviderInfo
from annotator.maps.providers.embedded import Embedded
from annotator.people.audit import entries
from annotator.people.local import local_actor
from annotator.questions import store as questions
from annotator.store.tables import blob, cache_head, exchange, snapshot, snapshot_item, tool_call
from annotator.store.times import utc_now


def codes(error: pytest.ExceptionInfo) -> list[tuple[int | None, str]]:
    return [(reason["number"], reason["code"]) for reason in error.value.detail["reasons"]]


def save(world, number: int, **changes) -> None:
    """A question's content with other fields, approved all the same."""
    question = world.numbered(number)
    content = question.content.model_copy(update=changes)

    def run(connection) -> None:
        questions.set_status(connection, local_actor(), world.project, question.id, "draft", now=utc_now())
        questions.save(
            connection, local_actor(), world.project, question.id, content, base_n=question.revision.n, now=utc_now()
        )
        questions.set_status(connection, local_actor(), world.project, question.id, "approved", now=utc_now())

    world.change(run)


def test_an_approved_project_freezes_and_every_byte_of_it_verifies(world) -> None:
    frozen = world.freeze()
    with world.database.reading() as connection:
        report = verify_snapshot(connection, frozen)
        found = list(items(connection, frozen))
        manifest = read_manifest(snapshots.manifest_bytes(connection, frozen))
        logged = entries(connection, subject_id=frozen.dataset_id, limit=1)[0]
    assert report.findings == ()
    assert (report.num_items, report.num_evidence, report.num_contexts) == (6, 6, 4)
    assert [item.number for item in found] == [1, 2, 3, 4, 5, 6]
    assert {item.split for item in found} <= {"train", "validation", "test"}
    assert manifest.maps[0].file_sha256
    assert manifest.maps[0].osm_timestamp
    assert {entry.key for entry in manifest.providers} == {"town", "local"}
    assert logged.action == "dataset.freeze"
    assert logged.after_sha == frozen.manifest_sha


def test_the_manifest_is_canonical_json_and_its_hash_names_the_snapshot(world) -> None:
    frozen = world.freeze()
    with world.database.reading() as connection:
        body = snapshots.manifest_bytes(connection, frozen)
    assert sha256_hex(body) == frozen.manifest_sha
    assert canonical(json.loads(body)) == body
    assert read_manifest(body).dump() == body


def test_a_frozen_item_is_the_item_that_was_not_frozen_but_for_its_version(world) -> None:
    with world.database.reading() as connection:
        before = list(unfrozen(connection, world.catalogue, world.project, ItemFilter(), utc_now()))
    frozen = world.freeze()
    names = ("dataset", "version", "split", "licence")
    with world.database.reading() as connection:
        after = list(items(connection, frozen))
    assert [item.model_copy(update=dict.fromkeys(names)) for item in after] == [
        item.model_copy(update=dict.fromkeys(names)) for item in before
    ]
    assert all(item.context.text for item in after)
    assert after[0].evidence[0].value in [option.text for option in after[0].options]


def test_what_is_frozen_stays_when_questions_and_contexts_change(world) -> None:
    frozen = world.freeze()
    with world.database.reading() as connection:
        before = list(lines(connection, frozen))
    save(world, 1, explanation="Another explanation.")
    with world.database.reading() as connection:
        assert list(lines(connection, frozen)) == before
        assert verify_snapshot(connection, frozen).is_ok


def test_every_reason_against_freezing_is_listed_with_its_question(world) -> None:
    world.change(
        lambda connection: questions.set_status(
            connection, local_actor(), world.project, world.numbered(1).id, "draft", now=utc_now()
        )
    )
    save(world, 3, gold=None)
    evidence = world.numbered(4).content.evidence[0]
    save(world, 4, evidence=(evidence.model_copy(update={"value": "Somewhere else"}),))
    save(world, 6, evidence=())
    with pytest.raises(FreezeError) as error:
        world.freeze(filter={"status": []})
    found = codes(error)
    assert {(1, "unapproved"), (3, "gold_missing"), (4, "evidence_differs"), (6, "lint")} <= set(found)
    assert {number for number, _ in found} == {1, 3, 4, 6}
    assert "Somewhere" not in error.value.message
    with world.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(snapshot)).scalar() == 0


def test_evidence_must_stand_in_the_raw_bytes_too(world) -> None:
    evidence = world.numbered(2).content.evidence[0]
    elsewhere = evidence.response.model_copy(update={"pointer": "/place/lat"})
    save(world, 2, evidence=(evidence.model_copy(update={"response": elsewhere}),))
    with pytest.raises(FreezeError, match="does not have this value at /place/lat"):
        world.freeze()


def test_nothing_stored_is_believed_so_a_result_that_the_bytes_do_not_give_is_refused(world) -> None:
    """The stored result and its hash agree with each other, but not with what the provider said."""
    evidence = world.numbered(1).content.evidence[0]
    forged = canonical(
        {"kind": "places", "places": [{"lat": 1.0, "lon": 2.0, "name": "Forged", "pid": "t:1", "provider": "town"}]}
    )
    sha = sha256_hex(forged)

    def forge(connection) -> None:
        values = {
            "sha256": sha,
            "bytes": forged,
            "codec": "identity",
            "size_bytes": len(forged),
            "mime": "application/json",
        }
        connection.execute(blob.insert(), values)
        connection.execute(
            update(tool_call).where(tool_call.c.id == evidence.tool_call_id).values(result_sha=sha, result_blob=sha)
        )

    world.change(forge)
    save(world, 1, evidence=(evidence.model_copy(update={"result_sha": sha, "value": "Forged"}),))
    with pytest.raises(FreezeError) as error:
        world.freeze()
    assert (1, "not_replayable") in codes(error)


def test_expired_content_and_content_that_will_expire_are_refused(world) -> None:
    call_id = world.numbered(3).content.evidence[0].tool_call_id
    soon = utc_now() + timedelta(days=20)
    world.change(
        lambda connection: connection.execute(
            update(exchange).where(exchange.c.url.like("%compute_routes%")).values(expires_at=soon)
        )
    )
    with pytest.raises(FreezeError) as error:
        world.freeze()
    assert set(codes(error)) == {(3, "expires")}
    assert soon.date().isoformat() in error.value.message
    gone = utc_now() - timedelta(days=1)
    world.change(
        lambda connection: connection.execute(
            update(tool_call).where(tool_call.c.id == call_id).values(expires_at=gone)
        )
    )
    with pytest.raises(FreezeError) as error:
        world.freeze()
    assert (3, "expired") in codes(error)


@pytest.fixture
def terms(monkeypatch: pytest.MonkeyPatch):
    """Gives the embedded map's content other terms."""

    def give(policy: Policy) -> None:
        made = Embedded.__init__

        def init(self, manifest) -> None:
            made(self, manifest)
            values = {name: getattr(self.info, name) for name in ProviderInfo.__slots__}
            self.info = ProviderInfo(**(values | {"policy": policy}))

        monkeypatch.setattr(Embedded, "__init__", init)

    return give


def test_content_that_must_not_leave_is_refused(world, terms) -> None:
    terms(Policy(export="forbidden"))
    with pytest.raises(FreezeError) as error:
        world.freeze()
    assert set(codes(error)) == {
        (1, "export_forbidden"),
        (2, "export_forbidden"),
        (3, "export_forbidden"),
        (4, "export_forbidden"),
    }


def test_content_of_which_only_ids_may_leave_is_refused_unless_told_to_freeze_ids_only(world, terms) -> None:
    terms(Policy(export="ids_only"))
    with pytest.raises(FreezeError) as error:
        world.freeze()
    assert {code for _, code in codes(error)} == {"export_ids_only"}
    frozen = world.freeze(ids_only=True)
    with world.database.reading() as connection:
        found = list(items(connection, frozen))
        report = verify_snapshot(connection, frozen)
        first_line = next(lines(connection, frozen)).decode()
        manifest = read_manifest(snapshots.manifest_bytes(connection, frozen))
    assert report.findings == ()
    assert report.num_withheld > 0
    first = found[0]
    assert first.evidence[0].value is None
    assert first.context.text is not None
    assert first.context.text.split() == [place.pid for place in first.places]
    assert all(place.name is None for place in first.places)
    # What was computed here is nobody's, and stays whole.
    assert found[4].evidence[0].value is not None
    assert not set(manifest.withheld) & set(manifest.blob_shas)
    assert "address" not in first_line


def test_a_map_that_is_gone_is_a_reason(world, town_data, tmp_path) -> None:
    from annotator.maps.catalogue import Catalogue
    from annotator.maps.embedded.library import MapLibrary

    nowhere = Catalogue(world.settings, MapLibrary(tmp_path), {})
    with pytest.raises(FreezeError, match="is not on this machine any more"):
        freeze(
            world.database,
            nowhere,
            local_actor(),
            world.project,
            "saltmere",
            FreezeRequest(version="1.0.0"),
            now=utc_now(),
        )


def test_an_empty_selection_and_a_bad_version_are_refused_in_words(world) -> None:
    with pytest.raises(FreezeError, match="no question fits"):
        world.freeze(filter={"category": ["trip"]})
    with pytest.raises(InputError, match=r"write it like 1\.0\.0"):
        world.freeze("1.0")


def test_versions_must_tell_what_differs(world) -> None:
    first = world.freeze("1.0.0", filter={"number": [1, 2, 3]})
    with pytest.raises(FreezeError, match="does not come after"):
        world.freeze("1.0.0")
    with pytest.raises(FreezeError, match=r"needs version 1\.1\.0 or later"):
        world.freeze("1.0.1")
    second = world.freeze("1.1.0")
    assert second.parent_id == first.id
    world.freeze("1.1.1")
    save(world, 1, explanation="Said better.")
    with pytest.raises(FreezeError, match=r"needs version 2\.0\.0 or later"):
        world.freeze("1.2.0")
    third = world.freeze("2.0.0", filter={"number": [1, 2, 3, 4, 5]})
    with world.database.reading() as connection:
        made = plan(
            connection,
            world.catalogue,
            world.project,
            snapshots.get_dataset(connection, world.project.id, "saltmere"),
            FreezeRequest(version="3.0.0"),
            utc_now(),
        )
        assert [found.version for found in snapshots.snapshots_of(connection, third.dataset_id)] == [
            "2.0.0",
            "1.1.1",
            "1.1.0",
            "1.0.0",
        ]
    assert [item.number for item in made.difference.added] == [6]
    assert made.difference.changed == ()


def test_a_question_that_changes_while_it_is_frozen_stops_the_freeze_and_nothing_is_written(world, monkeypatch) -> None:
    from annotator.datasets import freeze as module

    insist = module._insist

    def change_first(connection, project, made) -> None:
        connection.execute(update(questions.question).where(questions.question.c.number == 2).values(status="draft"))
        insist(connection, project, made)

    monkeypatch.setattr(module, "_insist", change_first)
    with pytest.raises(ConflictError, match="freeze again"):
        world.freeze()
    with world.database.reading() as connection:
        for table in (snapshot, snapshot_item):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
        assert (
            connection.execute(
                select(func.count()).select_from(cache_head).where(cache_head.c.namespace != "live")
            ).scalar()
            == 0
        )


def test_the_way_from_a_question_to_its_map_is_known(world) -> None:
    frozen = world.freeze()
    with world.database.reading() as connection:
        rows = provenance_of(connection, frozen, limit=3)
        (one,) = provenance_of(connection, frozen, number=5)
    assert [row.number for row in rows] == [1, 2, 3]
    support = rows[0].evidence[0]
    assert support.call.tool == "nearby_search"
    assert support.call.exchanges[0].build == world.catalogue.get("town").manifest.build_sha
    assert support.body_sha == support.call.exchanges[0].body_sha
    assert one.evidence[0].call.exchanges[0].build is None
    assert one.evidence[0].call.provider == "local"


def test_evidence_of_a_question_that_was_opened_again_is_kept_from_who_may_be_asked_for_it(world) -> None:
    frozen = world.freeze()
    world.change(
        lambda connection: questions.set_status(
            connection, local_actor(), world.project, world.numbered(2).id, "in_review", now=utc_now()
        )
    )
    with world.database.reading() as connection:
        seen = provenance_of(connection, frozen, hidden=("in_review",))
        own = provenance_of(connection, frozen, author_id="somebody else")
    assert [row.number for row in seen if row.is_hidden] == [2]
    assert [row.number for row in seen if not row.evidence] == [2]
    assert own == []
