"""Evaluation with the client: models against a project's frozen datasets."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from annotator.client.connection import Connection, JobError, Json

_LOOK_EVERY_S = 0.5


class Evaluations:
    """The runs of a project.

    Args:
        api: the connection.
        slug: the project's.
    """

    def __init__(self, api: Connection, slug: str) -> None:
        self._api = api
        self._path = f"/api/projects/{slug}/evaluations"

    def endpoints(self) -> list[Json]:
        """Servers of models that runs may ask; `local` is the one beside the program."""
        found: list[Json] = self._api.get("/api/evaluations/endpoints")["endpoints"]
        return found

    def add_endpoint(self, name: str, base_url: str, **more: Any) -> Json:
        """Adds a server of models, for all projects; `more` is `model`, `secret_env`, `protocol` or `params`."""
        return self._api.send("POST", "/api/evaluations/endpoints", {"name": name, "base_url": base_url, **more})

    def remove_endpoint(self, name: str) -> None:
        """Removes an endpoint; runs that asked it stay."""
        self._api.send("DELETE", f"/api/evaluations/endpoints/{name}")

    def models(self, endpoint: str = "local") -> list[Json]:
        """What a server serves, `model:variant` for variants."""
        found: list[Json] = self._api.get(f"/api/evaluations/endpoints/{endpoint}/models")["models"]
        return found

    def start(
        self, dataset: str, *, version: str | None = None, endpoint: str = "local", name: str = "", **config: Any
    ) -> Json:
        """Starts a run; `config` is what the API's documentation has, such as `mode="tools", model="m:duo"`."""
        body = {"dataset": dataset, "version": version, "endpoint": endpoint, "name": name, "config": config}
        return self._api.send("POST", self._path, body)

    def start_variants(
        self, dataset: str, *, version: str | None = None, endpoint: str = "local", name: str = "", **config: Any
    ) -> list[Json]:
        """Starts a run for each variant of `model`, by default of the server's first; they go on one after the other.

        `wait` for each of them, then `compare`.
        """
        body = {"dataset": dataset, "version": version, "endpoint": endpoint, "name": name, "config": config}
        found: list[Json] = self._api.send("POST", f"{self._path}/variants", body)["runs"]
        return found

    def wait(self, run: Json) -> Json:
        """A run when all its questions have been asked.

        Raises:
            JobError: it failed or was cancelled; `resume` goes on with it.
        """
        while run["state"] in ("waiting", "running"):
            time.sleep(_LOOK_EVERY_S)
            run = self.get(run["id"])
        if run["state"] != "done":
            raise JobError(run)
        return run

    def runs(self, *, dataset: str | None = None, version: str | None = None) -> Iterator[Json]:
        """Runs, the latest first."""
        return self._api.all(self._path, "runs", dataset=dataset, version=version)

    def get(self, run_id: str) -> Json:
        """A run and how far it is."""
        return self._api.get(f"{self._path}/{run_id}")

    def summary(self, run_id: str) -> Json:
        """A run in numbers."""
        return self._api.get(f"{self._path}/{run_id}/summary")

    def items(self, run_id: str, *, verdict: str | None = None) -> Iterator[Json]:
        """Questions of a run that are over, page by page."""
        return self._api.all(f"{self._path}/{run_id}/items", "items", verdict=verdict)

    def trace(self, run_id: str, number: int, *, epoch: int = 0) -> Json:
        """A question of a run with everything that was said and called."""
        return self._api.get(f"{self._path}/{run_id}/items/{number}", epoch=epoch)

    def compare(self, run_ids: Sequence[str]) -> Json:
        """Runs over the same frozen questions against each other."""
        return self._api.get(f"{self._path}/compare", run=list(run_ids))

    def leaderboard(self, dataset: str, version: str | None = None) -> list[Json]:
        """Finished runs over a frozen dataset, the best first."""
        found: list[Json] = self._api.get(f"{self._path}/leaderboard", dataset=dataset, version=version)["rows"]
        return found

    def cancel(self, run_id: str) -> Json:
        """Stops a run; what was asked stays."""
        return self._api.send("POST", f"{self._path}/{run_id}/cancel")

    def resume(self, run_id: str, *, again: bool = False) -> Json:
        """Goes on with a run; `again` also asks those questions once more that failed."""
        return self._api.send("POST", f"{self._path}/{run_id}/resume", {"again": again})

    def export(self, run_id: str, target: Path | str, *, format: str = "jsonl") -> Path:
        """Writes the results of a run to a file."""
        return self._api.download(f"{self._path}/{run_id}/export?format={format}", Path(target))
