"""Which kubeconfig and which of its contexts is meant, and what is said where that cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.kubeconfig import choose
from model.errors import InvalidInput
from tests.cluster.kubeconfigs import kubeconfig


def test_the_current_context_counts_where_none_is_named(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "here", "there", current="there")
    assert (choose(path, None, None).context, choose(path, "here", None).context) == ("there", "here")


def test_of_several_files_the_first_that_says_so_has_the_current_context(tmp_path: Path) -> None:
    """As kubectl has it; a file with an empty one says nothing."""
    paths = [
        kubeconfig(tmp_path / "silent", "silent"),
        kubeconfig(tmp_path / "first", "first", current="first"),
        kubeconfig(tmp_path / "second", "second", current="second"),
    ]
    choice = choose(None, None, ":".join(map(str, paths)))
    assert (choice.context, choice.paths) == ("first", tuple(map(str, paths)))


def test_files_that_the_environment_names_and_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "here", current="here")
    assert choose(None, None, f"{tmp_path}/none::{path}").paths == (str(path),)


def test_a_kubeconfig_that_is_named_goes_before_those_of_the_environment(tmp_path: Path) -> None:
    named = kubeconfig(tmp_path / "named", "named", current="named")
    other = kubeconfig(tmp_path / "other", "other", current="other")
    assert choose(named, None, str(other)).context == "named"


def test_an_unknown_context_is_told_with_those_there_are(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "here", "there", current="here")
    with pytest.raises(InvalidInput, match=f"no context 'nowhere' in {path}; choose one with --context: here, there"):
        choose(path, "nowhere", None)


def test_no_current_context_is_told_with_those_there_are(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "here", "there")
    with pytest.raises(InvalidInput, match=f"{path} has no current context; choose one with --context: here, there"):
        choose(path, None, None)


def test_a_kubeconfig_without_contexts_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("apiVersion: v1\nkind: Config\ncontexts: null\n")
    with pytest.raises(InvalidInput, match="it has no contexts at all"):
        choose(path, "here", None)


def test_where_nothing_is_named_the_users_own_file_is_looked_for_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        InvalidInput,
        match=f"KUBECONFIG is not set, and there is neither {tmp_path}/.kube/config nor .*; name one with --kubeconfig",
    ):
        choose(None, None, "")


def test_what_the_environment_names_is_told_where_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"KUBECONFIG names {tmp_path}/a and {tmp_path}/b, which is not there"):
        choose(None, None, f"{tmp_path}/a:{tmp_path}/b")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        ("contexts: [", "cannot be read"),
        ("- a list", "Expected `object`, got `array`"),
        ("contexts: [{context: {}}]", "missing required field `name`"),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_told(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=f"the kubeconfig {path} .*{complaint}"):
        choose(path, None, None)


@pytest.mark.parametrize(
    ("context", "complaint"),
    [
        ("{cluster: gone, user: me}", "names the cluster 'gone', which is not there"),
        ("{cluster: far, user: gone}", "names the user 'gone', who is not there"),
        ("{cluster: far}", "names no user"),
    ],
)
def test_what_a_context_names_has_to_be_there(context: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    clusters = "clusters: [{name: far, cluster: {server: 'https://127.0.0.1:1'}}]"
    path.write_text(f"{clusters}\nusers: [{{name: me, user: {{}}}}]\ncontexts: [{{name: x, context: {context}}}]\n")
    with pytest.raises(InvalidInput, match=f"context 'x' of {path} {complaint}"):
        choose(path, "x", None)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("as", "somebody"), ("as-groups", ["viewers"]), ("as-uid", "1"), ("as-user-extra", {"reason": ["looking"]})],
)
def test_a_user_who_impersonates_another_is_refused(setting: str, value: object, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", "here", current="here", user={"token": "secret", setting: value})
    with pytest.raises(InvalidInput, match=rf"the user of context 'here' of {path} impersonates another \({setting}\)"):
        choose(path, None, None)


@pytest.mark.parametrize("setting", ["proxy-url", "tls-server-name"])
@pytest.mark.parametrize("user", ["", "user: me"])
def test_a_cluster_that_is_reached_in_a_way_we_do_not_know_is_refused(setting: str, user: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        f"clusters: [{{name: far, cluster: {{server: 'http://127.0.0.1:1', {setting}: somewhere}}}}]\n"
        f"users: [{{name: me, user: {{}}}}]\ncontexts: [{{name: x, context: {{cluster: far, {user}}}}}]\n"
    )
    with pytest.raises(InvalidInput, match=f"the cluster of context 'x' of {path} is reached by {setting}"):
        choose(path, "x", None)


def test_a_token_file_is_named_from_the_kubeconfig_that_has_the_user(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    path = kubeconfig(tmp_path / "there" / "config", "here", current="here", user={"tokenFile": "token"})
    assert choose(path, None, None).token_file == tmp_path / "there" / "token"
