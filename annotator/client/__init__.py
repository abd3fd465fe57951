"""A small Python client of MapQaTor's JSON API.

    from annotator.client import MapQaTor

    with MapQaTor("http://127.0.0.1:8100") as mq:
        harbour = mq.create_project("Harbour trial")
        found = harbour.call("nearby_search", lat=45.3957, lon=-65.33, radius_m=3000, type="cafe")
        context = harbour.create_context("Cafes of the harbour", calls=[found])
        evidence = harbour.evidence(found, "/places/0/name")
        question = harbour.create_question(
            context,
            type="open_ended",
            body="Which cafe is nearest to the harbour?",
            gold={"kind": "text", "value": evidence["value"]},
            evidence=[evidence],
            category="nearby",
        )
        harbour.submit(question)

A frozen dataset is evaluated with `harbour.evaluations` (docs/evaluate.md). Objects are the API's JSON as dictionaries;
`/docs` of the running program describes every field. Where people sign in, give a token from the page of your account:
`MapQaTor(url, token="mq_...")`.
"""

from annotator.client.connection import ApiError, JobError, Json
from annotator.client.evaluations import Evaluations
from annotator.client.mapqator import MapQaTor, Project

__all__ = ["ApiError", "Evaluations", "JobError", "Json", "MapQaTor", "Project"]
