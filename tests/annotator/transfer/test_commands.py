"""`mapqator import` and `mapqator export` as users run them."""

import json

from tests.annotator.program import run_mapqator


def test_a_file_comes_and_goes_by_the_command_line(place, tmp_path):
    rows = [{"question": "Which?", "options": ["a", "b"], "answer": "A", "context": "c"}, {"options": []}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(*arguments):
        return run_mapqator(place.folder, *arguments)

    looked = run("import", "harbour", str(path), "--dry-run", "--json")
    assert looked.returncode == 1
    assert json.loads(looked.stdout)["bad"] == [{"where": "line 2", "reason": "'question' is missing"}]
    assert place.contents() == []
    made = run("import", "harbour", str(path))
    assert "bad: line 2: 'question' is missing" in made.stdout
    assert "1 question in 1 context; 1 bad row left out" in made.stdout
    assert len(place.contents()) == 1

    out = tmp_path / "out.json"
    taken = run("export", "harbour", "--format", "mapeval", "--status", "draft", "--out", str(out))
    assert (taken.returncode, taken.stderr) == (0, "")
    assert json.loads(out.read_text())[0]["answer"]["correct"] == 0

    job_id = made.stdout.split("--undo ")[1].split()[0]
    assert run("import", "harbour", "--undo", job_id).stdout == "1 questions and 1 contexts are gone\n"
    assert place.contents() == []
    for arguments, words in (
        (("import", "nowhere", str(path)), "there is no project 'nowhere'"),
        (("export", "harbour/x@1", "--format", "csv"), "there is no dataset 'x'"),
        (("export", "harbour", "--format", "csv", "--out", str(tmp_path)), "is there already"),
    ):
        refused = run(*arguments)
        assert refused.returncode == 2
        assert words in refused.stderr
        assert refused.stderr.count("\n") == 1
