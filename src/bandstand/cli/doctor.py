"""`bandstand doctor`: what is wrong with the installation or the home, and the remedy."""

from __future__ import annotations

import time
from contextlib import closing
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandstand.cli.common import HomeOption, JsonOption, ago, opened, out, print_json
from bandstand.errors import BandstandError
from bandstand.plugins import GROUPS, Plugin, plugins
from bandstand.settings import Settings, load_settings, problems, unknown_variables

if TYPE_CHECKING:
    from bandstand.app.platform import Platform
    from bandstand.app.storage import Storage

Finding = dict[str, object]

_LIBRARIES = {
    "tantivy": "tantivy",
    "faiss": "faiss-cpu",
    "lmdb": "lmdb",
    "lightgbm": "lightgbm",
    "vowpalwabbit": "vowpalwabbit",
    "onnxruntime": "onnxruntime",
}
"""What must be importable, and the distribution that brings it."""
_REASONS = 5
"""Of how many parked log entries the reason is told."""

_OPTIONAL = {"reward": "none yet: constants judge actions", "generator": "none yet: templates predict queries"}
"""Models that others stand in for, and what to say where there is none."""


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every byte of the home, while no server runs.")
    ] = False,
    home: HomeOption = None,
    json: JsonOption = False,
) -> None:
    """Check the installation and the home; exit 1 when something needs mending, each with its remedy."""
    findings = [*_installation(), *_plugins(), *_environment()]
    wrong = [_finding("settings", False, str(problem)) for problem in problems(home=home)]
    findings += wrong or [_synonyms(load_settings(home=home)), *_home(home)]
    if deep and not wrong:
        findings += _bytes(load_settings(home=home).home)
    good = all(finding["ok"] for finding in findings)
    if json:
        print_json({"ok": good, "findings": findings})
    else:
        for finding in findings:
            out.print(f"{'ok  ' if finding['ok'] else 'MEND'}  {finding['what']}: {finding['says']}")
    if not good:
        raise typer.Exit(1)


def _finding(what: str, ok: bool, says: str) -> Finding:
    return {"what": what, "ok": ok, "says": says}


def _installation() -> list[Finding]:
    found = [(name, find_spec(name) is not None) for name in _LIBRARIES]
    libraries = [
        _finding(name, there, "installed" if there else f"missing: pip install {_LIBRARIES[name]}")
        for name, there in found
    ]
    return [_finding("bandstand", True, version("bandstand")), *libraries]


def _plugins() -> list[Finding]:
    """What other distributions bring; one that cannot be loaded is left out everywhere."""
    return [
        _finding(f"plug-in {plugin.name} ({plugin.group})", plugin.error is None, _state(plugin))
        for group in GROUPS
        for plugin in plugins(group)
    ]


def _state(plugin: Plugin) -> str:
    if plugin.error is None:
        return f"loaded from {plugin.distribution} {plugin.version}"
    return f"{plugin.error}; mend {plugin.distribution} {plugin.version}, or pip uninstall {plugin.distribution}"


def _environment() -> list[Finding]:
    """Variables that look like settings and are none: most likely misspelt, and without any effect."""
    unknown = [_finding("settings", False, says) for says in unknown_variables()]
    return unknown or [_finding("settings", True, "every variable is known")]


def _synonyms(settings: Settings) -> Finding:
    from bandstand.app.storage import synonym_file

    file = synonym_file(settings)
    try:
        file.table()
        return _finding("synonyms", True, f"{len(file.lines())} of the operator's own")
    except BandstandError as error:
        return _finding("synonyms", False, f"not in use: {error}")


def _bytes(home: Path) -> list[Finding]:
    from bandstand.app.deep import Examination

    return [_finding(found.what, found.ok, found.says) for found in Examination(home, time.time).all()]


def _home(home: Path | None) -> list[Finding]:
    try:
        with opened(home) as music:
            storage = music.platform.storage
            found = [_finding("home", True, str(storage.settings.home)), *_stored(storage), _encoder(storage)]
            found += [*_thresholds(music.platform), *_loaded(music.platform)]
            return [*_cluster(storage.settings), *found]
    except BandstandError as error:
        return [*_cluster(load_settings(home=home)), _finding("home", False, str(error))]


def _cluster(settings: Settings) -> list[Finding]:
    """What the cluster lacks; nothing for a home folder."""
    from bandstand.app.storage import open_backend

    with closing(open_backend(settings)) as backend:
        return [_finding(found.what, found.ok, found.says) for found in backend.examine()]


def _stored(storage: Storage) -> list[Finding]:
    count = storage.store.count()
    return [
        _finding("catalogue", count > 0, f"{count} entities" if count else "empty: bandstand ingest"),
        *_learning(storage),
        _parked(storage),
    ]


def _learning(storage: Storage) -> list[Finding]:
    """Whether learning goes on, by what waits for it, by what was made last, and by how its threads fare."""
    from bandstand.app.health import failing, learned, standstill, told_threads

    now, limit = storage.clock(), storage.settings.learn_within_seconds
    state = learned(storage.log, storage.memory, storage.models, now)
    threads = told_threads(storage.paths.threads)
    waiting = f"{state.waiting} log entries behind: serve, click or train catch up" if state.waiting else "up to date"
    if state.paused:
        waiting = f"paused, {state.waiting} log entries wait: bandstand learning resume"
    made = f"bandit published {ago(state.published_s)}, ranker trained {ago(state.trained_s)}"
    wrong = standstill(state, state.oldest_s, limit) or failing(threads, limit, now)
    failed = [f"{one.name} {one.failures} times, last: {one.reason}" for one in threads if one.failures]
    return [
        _finding("learner", not wrong, wrong or f"{waiting}; {made}"),
        *([_finding("threads", True, f"begun again: {'; '.join(failed)}")] if failed else []),
    ]


def _parked(storage: Storage) -> Finding:
    """Log entries that could not be learned from, with the reasons of the first few."""
    from bandstand.learner.parking import parked_entries

    parked = parked_entries(storage.memory.scan)
    reasons = "; ".join(f"{one.kind} {one.seq or one.query_id}: {one.reason}" for one in parked[:_REASONS])
    says = f"{len(parked)} log entries could not be learned from; `bandstand parked --retry` tries again: {reasons}"
    return _finding("parked", not parked, says if parked else "no log entry")


def _encoder(storage: Storage) -> Finding:
    """Whether the encoder that the settings name is there, and encodes what is searched."""
    from bandstand.retrievers.encoder_registry import encoder_recipe, missing_to_make

    wanted = storage.settings.encoder
    found = encoder_recipe(wanted).find(storage.settings.home)
    if found is None:
        missing = "".join(f"; that needs pip install {name}" for name in missing_to_make())
        return _finding("encoder", False, f"{wanted} is not made yet: bandstand index makes it{missing}")
    serving = storage.backend.encoder()
    if serving in {"", found.fingerprint}:
        return _finding("encoder", True, found.fingerprint)
    says = f"{serving} serves until everything is encoded by {found.fingerprint}: bandstand index, or start the server"
    return _finding("encoder", False, says)


def _thresholds(platform: Platform) -> list[Finding]:
    """Thresholds of retrievers that are not there, such as those of a plug-in that was uninstalled."""
    from bandstand.bandit.selective import parse_thresholds, unused_thresholds

    roster = platform.options.roster
    unused = unused_thresholds(parse_thresholds(platform.settings.selective_thresholds, roster), roster)
    return [_finding("thresholds", False, unused)] if unused else []


def _loaded(platform: Platform) -> list[Finding]:
    from bandstand.models.registry import MODEL_NAMES

    storage = platform.storage
    try:
        current = platform.searching.searchable >= storage.store.head()
        refused = platform.searching.serving.refused
    except BandstandError as error:
        return [_finding("indexes", False, str(error))]
    says = "up to date" if current else "behind the catalogue: bandstand index, or start the server"
    return [
        _finding("indexes", current, says),
        *(_model(storage, name, refused.get(name)) for name in MODEL_NAMES if name not in _OPTIONAL),
        *(_optional(storage, name, refused.get(name)) for name in _OPTIONAL),
    ]


def _optional(storage: Storage, name: str, refused: str | None) -> Finding:
    """Which version serves of a model that others stand in for until the log is old enough."""
    pointer = None if refused else storage.models.pointer(name)
    return _finding(name, not refused, pointer.current if pointer else refused or _OPTIONAL[name])


def _model(storage: Storage, name: str, refused: str | None) -> Finding:
    pointer = None if refused else storage.models.pointer(name)
    if pointer is None and name == "abstention" and not refused:
        return _finding(name, True, "none yet, so every expensive retriever plays: bandstand ablate, then train")
    if pointer is None:
        return _finding(name, False, refused or "none yet: bandstand index trains the first")
    return _finding(name, True, f"{pointer.current}{', pinned' if pointer.pinned else ''}")
