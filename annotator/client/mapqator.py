"""What one does with MapQaTor, as methods: projects, tools, contexts, questions, review, datasets, files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from annotator.client.connection import Connection, Json
from annotator.client.evaluations import Evaluations

_KINDS = {
    "text_search": "places",
    "place_details": "details",
    "reverse_geocode": "places",
    "nearby_search": "nearby",
    "compute_routes": "route",
    "travel_matrix": "matrix",
    "search_along_route": "along_route",
    "distance_bearing": "calc",
    "open_at": "calc",
}
"""What the answer of a tool is within a context."""


class MapQaTor(Connection):
    """One MapQaTor; see the package for an example."""

    def me(self) -> Json:
        """Whoever the token belongs to."""
        return self.get("/api/me")

    def projects(self) -> list[Json]:
        """The projects that one may see."""
        found: list[Json] = self.get("/api/projects")["projects"]
        return found

    def create_project(self, name: str, *, slug: str = "", guidelines: str = "", **settings: Any) -> "Project":
        """Makes a project; `settings` are its own, such as `min_reviews=2`."""
        body = {"name": name, "slug": slug, "guidelines": guidelines, "settings": settings}
        return Project(self, self.send("POST", "/api/projects", body)["slug"])

    def project(self, slug: str) -> "Project":
        """A project by its slug; whether there is one shows when it is used."""
        return Project(self, slug)


class Project:
    """A project of a MapQaTor.

    Args:
        mapqator: the connection.
        slug: the project's.
    """

    def __init__(self, mapqator: MapQaTor, slug: str) -> None:
        self.slug = slug
        self._api = mapqator
        self._path = f"/api/projects/{slug}"
        self.evaluations = Evaluations(mapqator, slug)
        """Models against the project's frozen datasets."""

    def about(self) -> Json:
        """Name, guidelines, settings, one's own role."""
        return self._api.get(self._path)

    # Tools and contexts

    def call(self, tool: str, *, provider: str | None = None, mode: str | None = None, **params: Any) -> Json:
        """Asks a map tool, such as `text_search`; the answer is recorded with its provenance."""
        return self._api.send("POST", f"{self._path}/tools/{tool}", params, provider=provider, mode=mode)

    def contexts(self, **filters: Any) -> Iterator[Json]:
        """Contexts, page by page; filters are `q` and `status`."""
        return self._api.all(f"{self._path}/contexts", "contexts", **filters)

    def context(self, context_id: str) -> Json:
        """A context with its items."""
        return self._api.get(f"{self._path}/contexts/{context_id}")

    def create_context(self, title: str, *, calls: Sequence[Json] = (), notes: Sequence[str] = ()) -> Json:
        """Makes a context of tools' answers and notes, in this order."""
        items: list[Json] = [
            {"key": f"i{number}", "kind": _KINDS[call["tool"]], "tool_call_id": call["id"]}
            for number, call in enumerate(calls, 1)
        ]
        items += [{"key": f"n{number}", "kind": "note", "text": text} for number, text in enumerate(notes, 1)]
        return self._api.send("POST", f"{self._path}/contexts", {"content": {"title": title, "items": items}})

    def save_context(self, context: Json) -> Json:
        """Writes a context's changed `content` on the revision that it was read at; a conflict is an `ApiError`."""
        body = {"base_n": context["n"], "content": context["content"]}
        return self._api.send("PUT", f"{self._path}/contexts/{context['id']}", body)

    def render(self, context: Json, format: Literal["text", "json", "markdown"] = "text") -> str:
        """A context as text, JSON or Markdown."""
        found: str = self._api.get(f"{self._path}/contexts/{context['id']}/render", format=format)["text"]
        return found

    # Questions and evidence

    def questions(self, **filters: Any) -> Iterator[Json]:
        """Questions, page by page; filters are `status`, `type`, `category`, `tag`, `author`, `context` and `q`."""
        return self._api.all(f"{self._path}/questions", "questions", **filters)

    def question(self, question_id: str) -> Json:
        """A question with its content and what is to be said against it."""
        return self._api.get(f"{self._path}/questions/{question_id}")

    def create_question(self, context: Json, **content: Any) -> Json:
        """Makes a draft in a context: `type`, `body`, `options`, `gold_keys` or `gold`, `evidence` and more."""
        return self._api.send("POST", f"{self._path}/contexts/{context['id']}/questions", {"content": content})

    def save_question(self, question: Json) -> Json:
        """Writes a question's changed `content` on the revision that it was read at; a conflict is an `ApiError`."""
        body = {"base_n": question["n"], "content": question["content"]}
        return self._api.send("PUT", f"{self._path}/questions/{question['id']}", body)

    def evidence(
        self,
        call: Json,
        pointer: str,
        *,
        role: Literal["supports", "refutes", "distractor"] = "supports",
        option_key: str | None = None,
    ) -> Json:
        """A value of a tool's answer as evidence, to be put into a question's `evidence`.

        Args:
            pointer: JSON Pointer into the answer's `result`, such as `/places/0/phone`.
        """
        body = {"tool_call_id": call["id"], "pointer": pointer, "role": role, "option_key": option_key}
        return self._api.send("POST", f"{self._path}/evidence", body)

    def submit(self, question: Json) -> Json:
        """Sends a draft to review."""
        return self._api.send("POST", f"{self._path}/questions/{question['id']}/submit")

    # Review

    def queue(self, kind: Literal["answer", "review", "adjudicate", "author"]) -> Json:
        """What waits for whoever asks."""
        return self._api.get(f"{self._path}/queue", kind=kind)

    def answer(self, question: Json, answer: Mapping[str, Any], *, confidence: int | None = None) -> Json:
        """A blind second answer: `{"keys": ["A"]}`, `{"unanswerable": True}`, or an open answer with its `kind`."""
        body = {"answer": dict(answer), "confidence": confidence}
        return self._api.send("POST", f"{self._path}/questions/{question['id']}/responses", body)

    def review(
        self,
        question: Json,
        verdict: Literal["approve", "request_changes", "reject"],
        *,
        checklist: Sequence[Any] = (),
        comment: str = "",
    ) -> Json:
        """A verdict on the revision of the question that was read."""
        body = {"verdict": verdict, "n": question["n"], "checklist": list(checklist), "comment": comment}
        return self._api.send("POST", f"{self._path}/questions/{question['id']}/reviews", body)

    # Datasets

    def datasets(self) -> list[Json]:
        """Datasets with their latest versions."""
        found: list[Json] = self._api.get(f"{self._path}/datasets")["datasets"]
        return found

    def create_dataset(self, title: str, *, slug: str = "", licence: str = "CC-BY-4.0", card: str = "") -> Json:
        """Makes a dataset without versions."""
        body = {"title": title, "slug": slug, "licence": licence, "card": card}
        return self._api.send("POST", f"{self._path}/datasets", body)

    def freeze(self, dataset: str, version: str, *, dry_run: bool = False, **request: Any) -> Json:
        """Freezes questions as a version of a dataset; an `ApiError` lists in `detail` every reason against it.

        Args:
            request: `filter`, `splits` and more, as the API's documentation has them.

        Raises:
            JobError: there are so many questions that it was a job, and it failed; its result has the reasons.
        """
        path = f"{self._path}/datasets/{dataset}/snapshots"
        result = self._settled(self._api.send("POST", path, {"version": version, "dry_run": dry_run, **request}))
        if "plan" in result:
            plan: Json = result["plan"]
            return plan
        return result if "can_freeze" in result else self._api.get(f"{path}/{version}")

    def verify(self, dataset: str, version: str) -> Json:
        """Recomputes every byte of a frozen dataset, and names what changed."""
        path = f"{self._path}/datasets/{dataset}/snapshots/{version}/verify"
        result = self._settled(self._api.send("POST", path))
        report: Json = result.get("report", result)
        return report

    def _settled(self, answer: Json) -> Json:
        """An answer, or the result of the job that it is."""
        if "num_done" not in answer:
            return answer
        result: Json = self._api.wait(f"{self._path}/jobs", answer)["result"]
        return result

    # Files

    def import_file(self, file: Path | str, *, format: str = "auto", dry_run: bool = False) -> Json:
        """Imports a file and waits for it; the job's `result` counts what came and lists bad rows.

        Raises:
            JobError: it failed or was cancelled.
        """
        path = Path(file)
        job = self._api.upload(
            f"{self._path}/imports", path, format=format, dry_run=str(dry_run).lower(), name=path.name
        )
        return self._api.wait(f"{self._path}/jobs", job)

    def undo_import(self, job: Json) -> Json:
        """Deletes everything that an import made."""
        return self._api.send("POST", f"{self._path}/imports/{job['id']}/undo")

    def export(
        self,
        format: str,
        target: Path | str,
        *,
        dataset: str | None = None,
        version: str | None = None,
        filter: Mapping[str, Any] | None = None,
    ) -> Json:
        """Exports a dataset, or questions as they are now, to a file; gives the job with its `result`.

        Args:
            version: by default the latest.
            filter: which questions where no dataset is named, such as `{"status": ["approved"]}`.

        Raises:
            JobError: it failed or was cancelled.
        """
        body = {"format": format, "dataset": dataset, "version": version, "filter": filter}
        job = self._api.wait(f"{self._path}/jobs", self._api.send("POST", f"{self._path}/exports", body))
        self._api.download(f"{self._path}/exports/{job['id']}/file", Path(target))
        return job
