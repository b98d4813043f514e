"""`bandstand keys`, and a server that starts only where its door can be shut."""

from __future__ import annotations

import pytest

from bandstand.access.keys import unguessable


class TestKeys:
    def test_a_secret_is_alone_on_standard_output(self, cli):
        made = cli(
            "keys", "create", "web", "--scope", "search", "--rate", "5", "--filter", "genre=jazz", "--kind", "track"
        )
        assert made.code == 0
        assert unguessable(made.out.strip())
        assert "web opens search" in made.err
        listed = cli("keys", "list").out
        assert "web" in listed
        assert '{"genre":["jazz"]}' in listed
        assert made.out.strip() not in listed

    def test_they_are_exchanged_and_revoked(self, cli):
        first = cli("keys", "create", "web", "--scope", "search", "--json").json()
        second = cli("keys", "rotate", "web", "--keep-hours", "1", "--json").json()
        assert second["secret"] != first["secret"]
        assert second["key"]["former_until"] > second["key"]["created"]
        assert cli("keys", "revoke", "web", "--json").json() == {"revoked": "web"}
        assert cli("keys", "list", "--json").json() == {"keys": []}
        assert cli("keys", "revoke", "web").code == 1

    @pytest.mark.parametrize("words", [
        ("web",), ("web", "--scope", "everything"), ("a b", "--scope", "search"),
        ("web", "--scope", "search", "--origin", "example.org"), ("web", "--scope", "search", "--kind", "song"),
        ("web", "--scope", "search", "--filter", "jazz"), ("web", "--scope", "search", "--filter", "year=long ago"),
        ("web", "--scope", "models", "--filter", "genre=jazz"),
    ])  # fmt: skip
    def test_what_cannot_be_made_is_refused(self, cli, words):
        assert cli("keys", "create", *words).code == 2
        assert cli("keys", "list", "--json").json() == {"keys": []}


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch):
        """Whether a server would have begun, with which settings."""
        begun = []
        monkeypatch.setattr("bandstand.cli.serve._serve_alone", lambda settings, *_, **__: begun.append(settings))
        return begun

    def serve(self, cli, *words):
        return cli("serve", "--port", "0", "--no-learner", *words)

    def test_on_this_machine_it_says_that_everybody_is_trusted(self, cli, served):
        assert "trusted with everything" in self.serve(cli).out
        assert served[0].local

    @pytest.mark.parametrize("host", ["0.0.0.0", "::"])
    def test_where_others_reach_it_it_does_not_start_without_a_key(self, cli, served, host):
        ended = self.serve(cli, "--host", host)
        assert (ended.code, served) == (2, [])
        assert "bandstand keys create" in ended.err
        assert "--insecure" in ended.err

    def test_with_a_key_it_does(self, cli, served, monkeypatch):
        cli("keys", "create", "web", "--scope", "search")
        assert "Callers need a key" in self.serve(cli, "--host", "0.0.0.0").out
        cli("keys", "revoke", "web")
        assert self.serve(cli, "--host", "0.0.0.0").code == 0  # once there was a key nothing opens without one
        monkeypatch.setenv("BANDSTAND_ADMIN_KEY", "s3cret")
        assert "Callers need a key" in self.serve(cli, "--host", "0.0.0.0").out
        assert [settings.host for settings in served] == ["0.0.0.0"] * 3

    def test_insecure_says_what_it_opens(self, cli, served):
        said = self.serve(cli, "--host", "0.0.0.0", "--insecure").out
        assert "INSECURE" in said
        assert "delete entities" in said
        assert served[0].insecure

    @pytest.mark.parametrize(("name", "value"), [("ADMIN_KEY", ""), ("ADMIN_KEY", " "), ("USER_TOKEN_SECRET", "short")])
    def test_a_key_that_is_none_is_an_error(self, cli, served, monkeypatch, name, value):
        monkeypatch.setenv(f"BANDSTAND_{name}", value)
        ended = self.serve(cli)
        assert (ended.code, served) == (2, [])
        assert f"BANDSTAND_{name}" in ended.err
