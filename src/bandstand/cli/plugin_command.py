"""`bandstand plugins`: what other distributions bring, and what of it could not be loaded."""

from __future__ import annotations

from rich.table import Table

from bandstand.cli.common import JsonOption, out, print_json
from bandstand.plugins import GROUPS, plugins

_TOLD = ("group", "name", "distribution", "version", "error")


def list_plugins(json: JsonOption = False) -> None:
    """List the retrievers, features, readers, policies and data sets that installed distributions bring."""
    found = [plugin for group in GROUPS for plugin in plugins(group)]
    if json:
        print_json({"plugins": [{name: getattr(plugin, name) for name in _TOLD} for plugin in found]})
        return
    if not found:
        groups = ", ".join(f"bandstand.{group}" for group in GROUPS)
        out.print(f"none; a distribution brings one by an entry point of {groups} (docs/extending/README.md)")
        return
    table = Table("group", "name", "distribution", "state", box=None, pad_edge=False)
    for plugin in found:
        table.add_row(plugin.group, plugin.name, f"{plugin.distribution} {plugin.version}", plugin.error or "loaded")
    out.print(table)
