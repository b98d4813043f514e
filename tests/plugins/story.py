"""What a home does with and without the distribution of `tests/plugins/lyrics`; run as a process, prints JSON."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from fastapi.testclient import TestClient

import bandstand as bs
from bandstand.api.app import create_app
from bandstand.engine.request import SearchRequest
from bandstand.settings import load_settings

ENTITIES = [
    {"id": "halo", "kind": "track", "title": "Halo", "artists": ["Beyoncé"], "attributes": {"territory": {"de": 1.0}}},
    {"id": "hurt", "kind": "track", "title": "Hurt", "artists": ["Johnny Cash"]},
    {"id": "one", "kind": "track", "title": "One", "artists": ["U2"], "attributes": {"territory": {"ie": 1.0}}},
    *({"id": f"filler-{n}", "kind": "track", "title": f"Filler {n}", "artists": ["Nobody"]} for n in range(8)),
]
QUICK = {
    "encoder": "hashing",
    "selfplay_queries": 0,
    "finalize_seconds": 0,
    "deadline_ms": 10_000.0,
    "hosts": "testserver",
}
ASKED = "those walls i built so well"


def main(home: Path) -> dict[str, object]:
    with bs.open(home, background=False, **QUICK) as music:
        if not len(music):
            music.ingest(ENTITIES)
            music.index()
        for query, wanted in (("halo", "halo"), ("hurt", "hurt"), ("one", "one")):
            page = music.search(query, user="ana", policy="bandit")
            next(hit for hit in page if hit.id == wanted).play(seconds=90)
        music.learn()
        trained = music.train()
        page = music.page(SearchRequest(query=ASKED, user_id="bob", locale="en-DE", policy="random"))
        everything = music.page(SearchRequest(query=ASKED, user_id="bob", locale="en-DE", policy="all", explain=True))
        decisions = {arm.arm: asdict(arm) for arm in page.decision.arms}
        found = next((hit for hit in everything if hit.id == "halo"), None)
        explained = str(everything.explain())
        features = dict(found.explain().features) if found else {}
        judged = music.evaluate({ASKED: ["halo"]}, policies=["all"])
        alone = judged.rankings.get("only:lyrics")
        estimated = music.ope("all")
    with TestClient(create_app(load_settings(home=home, **QUICK))) as client:
        client.app.state.service  # noqa: B018 - it loads in the background
        arms = _eventually(client, "/v1/arms")
        client.post("/v1/search", json={"query": ASKED, "policy": "random"}).raise_for_status()
        charts = {
            chart["name"]: chart
            for section in ("live", "learning")
            for chart in client.get(f"/v1/dashboard/charts/{section}?pictures=dark").json()["charts"]
        }
    return {
        "clicked": trained.clicked_searches,
        "decision": decisions.get("lyrics"),
        "brought": found is not None and "lyrics" in {source.retriever for source in found.sources},
        "explained": "lyrics" in explained,
        "features": {name: features[name] for name in ("lyrics.words", "territory") if name in features},
        "arms": [arm for arm in arms["arms"] if arm["arm"] == "lyrics"],
        "charted": [name for name in ("played", "chosen") if _drawn(charts[name], "lyrics")],
        "alone": alone and alone.metrics["nDCG@10"].value,
        "estimated": "lyrics" in estimated.arms,
        "not estimated": dict(estimated.left_out),
    }


def _drawn(chart: dict, line: str) -> bool:
    """Whether a line has numbers, and stands in the picture."""
    return any(number is not None for number in chart["lines"].get(line, ())) and f">{line}<" in chart["svg"]


def _eventually(client: TestClient, path: str) -> dict:
    while (answer := client.get(path)).status_code == 503:
        time.sleep(0.01)
    return answer.json()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))))
