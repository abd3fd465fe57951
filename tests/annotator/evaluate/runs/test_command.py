"""`mapqator evaluate` as a user types it."""

import json
from pathlib import Path

import pytest

from annotator.cli import main
from tests.annotator.evaluate.runs.conftest import NUM_ITEMS, Town
from tests.annotator.evaluate.runs.scripted import says, served


@pytest.fixture
def evaluate(town: Town, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs the command; gives what it printed, or its error line where it should fail."""
    monkeypatch.setenv("MAPQATOR_DATA_DIR", str(town.settings.data_dir))
    monkeypatch.setenv("MAPQATOR_DATABASE_URL", town.settings.resolved_database_url)
    monkeypatch.setenv("MAPQATOR_MODEL_KEY_TEST", "sk-not-in-any-output")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["mapqator", "evaluate", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        assert (end.value.code or 0) == code, printed.err
        assert "sk-not" not in printed.out + printed.err
        return printed.out if code == 0 else printed.err

    return run


def test_everything_is_usable_from_the_command_line(evaluate, town: Town, tmp_path: Path) -> None:
    with served(lambda body: says("Answer: A")) as server:
        evaluate("endpoints", "add", "scripted", server.url, "--key-env", "MAPQATOR_MODEL_KEY_TEST")
        assert "scripted" in evaluate("endpoints", "list")
        assert "tiny:fast" in evaluate("models", "--endpoint", "scripted")
        only = json.loads(evaluate("run", "--endpoint", "scripted", "--variants", "--limit", "1", "--json"))
        assert [one["model"] for one in only] == ["tiny:fast"]
        both = ("--model", "tiny", "--model", "tiny:fast")
        made = json.loads(evaluate("run", "--endpoint", "scripted", *both, "--json"))
        assert [one["model"] for one in made] == ["tiny", "tiny:fast"]
        assert [one["verdicts"] for one in made] == [{"invalid": 1, "right": 4, "wrong": 1}] * 2
        ids = [one["id"] for one in made]
        assert all(run_id in evaluate("list") for run_id in ids)
        assert "66.7 %" in evaluate("show", ids[0])
        assert "Which café is number 1" in evaluate("show", ids[0], "1")
        assert "+0.0 points" in evaluate("compare", *ids, "--picture", str(tmp_path / "pair.svg"))
        assert (tmp_path / "pair.svg").read_text().startswith("<?xml")
        out = tmp_path / "out.jsonl"
        evaluate("export", ids[0], "--out", str(out))
        assert len(out.read_text().splitlines()) == NUM_ITEMS + 1
        assert "cannot be cancelled" in evaluate("cancel", ids[0], code=2)
        assert "no model 'huge'" in evaluate("run", "--endpoint", "scripted", "--model", "huge", code=2)
        assert "no run" in evaluate("show", "nonsense", code=2)
        assert "is there already" in evaluate("export", ids[0], "--out", str(out), code=2)
        assert server.upstream is not None
        assert {one.headers["authorization"] for one in server.upstream.asked} == {"Bearer sk-not-in-any-output"}
    town.database.truncate_log()
    kept = Path(str(town.database.engine.url.database)).read_bytes() + out.read_bytes()
    assert b"MAPQATOR_MODEL_KEY_TEST" in kept
    assert b"sk-not-in" not in kept
    gone = evaluate("run", "--endpoint", "scripted", code=2)
    assert "no server answers at" in gone
    assert gone.count("\n") == 1
