"""Kubeconfigs: which are read and which of their contexts is meant, as kubectl has it.

The library that makes access of them takes the last file's current context where kubectl takes the first's, goes on
without credentials where there is no such user, and passes over what would make a user somebody else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
import yaml

from cluster.tokens import in_a_line
from model.errors import InvalidInput

ADVICE: Final = "name one with --kubeconfig"
USUAL_PLACE: Final = "~/.kube/config"


class _Named(Protocol):
    name: str


N = TypeVar("N", bound=_Named)


class _Plugin(msgspec.Struct):
    command: str = ""


class _Credentials(msgspec.Struct, rename="kebab"):
    exec: _Plugin | None = None
    token_file: str | None = msgspec.field(default=None, name="tokenFile")
    as_user: Any = msgspec.field(default=None, name="as")
    as_groups: Any = None
    as_uid: Any = None
    as_user_extra: Any = None


class _User(msgspec.Struct):
    name: str
    user: _Credentials | None = None


class _Address(msgspec.Struct, rename="kebab"):
    server: str = ""
    proxy_url: Any = None
    tls_server_name: Any = None


class _Cluster(msgspec.Struct):
    name: str
    cluster: _Address | None = None


class _Links(msgspec.Struct):
    cluster: str = ""
    user: str = ""


class _Context(msgspec.Struct):
    name: str
    context: _Links | None = None


class _File(msgspec.Struct, rename="kebab"):
    """What of a kubeconfig says which cluster and whose credentials are meant."""

    current_context: str | None = None
    contexts: list[_Context] | None = None
    clusters: list[_Cluster] | None = None
    users: list[_User] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A context, and the files that it is put together from."""

    paths: tuple[str, ...]
    context: str
    plugin: str | None
    """The command that gives the user's credentials, where one does."""

    token_file: Path | None = None
    """Where the user's token is, where a file has it and no command gives it."""

    def __str__(self) -> str:
        return f"context {self.context!r} of {_shown(self.paths)}"


def choose(kubeconfig: Path | None, context: str | None, environment: str | None) -> Choice:
    """The context named, else the first file's current one, of the kubeconfig named, else of those of `environment`.

    `environment` is the variable KUBECONFIG; where it is not set either, the user's own file counts. InvalidInput where
    there is none, or it does not say what is meant.
    """
    paths = _existing(kubeconfig, environment)
    files = [_read(path) for path in paths]
    name = context or next((file.current_context for file in files if file.current_context), None)
    contexts = _by_name(item for file in files for item in file.contexts or ())
    known = f"choose one with --context: {', '.join(contexts)}" if contexts else "it has no contexts at all"
    if name is None:
        raise InvalidInput(f"no access to a cluster: {_shown(paths)} has no current context; {known}")
    if name not in contexts:
        raise InvalidInput(f"no access to a cluster: there is no context {name!r} in {_shown(paths)}; {known}")
    credentials = _credentials(files, contexts[name].context or _Links(), str(Choice(paths, name, None)))
    if credentials.exec is not None:
        return Choice(paths, name, credentials.exec.command)
    return Choice(paths, name, None, Path(credentials.token_file) if credentials.token_file else None)


def _credentials(files: Sequence[_File], links: _Links, where: str) -> _Credentials:
    """Of the user that the context names. Only plain HTTP, as of `kubectl proxy`, goes without one."""
    clusters = _by_name(item for file in files for item in file.clusters or ())
    users = _by_name(item for file in files for item in file.users or ())
    if links.cluster not in clusters:
        raise InvalidInput(f"no access to a cluster: {where} names the cluster {links.cluster!r}, which is not there")
    address = clusters[links.cluster].cluster or _Address()
    _refuse_detours(address, where)
    if links.user in users:
        credentials = users[links.user].user or _Credentials()
        _refuse_impersonation(credentials, where)
        return credentials
    if links.user:
        raise InvalidInput(f"no access to a cluster: {where} names the user {links.user!r}, who is not there")
    if address.server.startswith("https:"):
        raise InvalidInput(f"no access to a cluster: {where} names no user; `kubectl config set-context` gives it one")
    return _Credentials()


def _refuse_impersonation(credentials: _Credentials, where: str) -> None:
    """Who means to act with the rights of another must not act with all of their own."""
    settings = {
        "as": credentials.as_user,
        "as-groups": credentials.as_groups,
        "as-uid": credentials.as_uid,
        "as-user-extra": credentials.as_user_extra,
    }
    if found := _set_among(settings):
        raise InvalidInput(
            f"no access to a cluster: the user of {where} impersonates another ({found}), which Stoker cannot; "
            "choose a context whose user does not"
        )


def _refuse_detours(address: _Address, where: str) -> None:
    if found := _set_among({"proxy-url": address.proxy_url, "tls-server-name": address.tls_server_name}):
        raise InvalidInput(
            f"no access to a cluster: the cluster of {where} is reached by {found}, which Stoker cannot use; "
            "choose a context whose cluster is reached without"
        )


def _set_among(settings: Mapping[str, Any]) -> str:
    return ", ".join(name for name, value in settings.items() if value)


def _existing(kubeconfig: Path | None, environment: str | None) -> tuple[str, ...]:
    if kubeconfig is not None:
        wanted, named = [str(kubeconfig)], f"there is no kubeconfig {kubeconfig}; name another with --kubeconfig"
    elif environment:
        wanted = [path for path in environment.split(os.pathsep) if path]
        named = f"KUBECONFIG names {_shown(wanted)}, which is not there; correct it, or {ADVICE}"
    else:
        wanted = [os.path.expanduser(USUAL_PLACE)]
        named = f"KUBECONFIG is not set, and there is neither {wanted[0]} nor a pod's service account; {ADVICE}"
    found = tuple(path for path in wanted if os.path.exists(path))
    if not found:
        raise InvalidInput(f"no access to a cluster: {named}")
    return found


def _read(path: str) -> _File:
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        if document is None:
            raise InvalidInput(
                f"no access to a cluster: the kubeconfig {path} is empty; name another with --kubeconfig"
            )
        return _placed(msgspec.convert(document, _File), path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise InvalidInput(
            f"no access to a cluster: the kubeconfig {path} cannot be read ({in_a_line(error)}); "
            "mend it, or name another with --kubeconfig"
        ) from error


def _placed(file: _File, path: str) -> _File:
    """With token files as they are seen from here: a kubeconfig names them from its own directory."""
    for user in file.users or ():
        if user.user is not None and user.user.token_file:
            user.user.token_file = os.path.join(os.path.dirname(os.path.abspath(path)), user.user.token_file)
    return file


def _by_name(items: Iterable[N]) -> dict[str, N]:
    """Of two with the same name, the first."""
    found: dict[str, N] = {}
    for item in items:
        found.setdefault(item.name, item)
    return found


def _shown(paths: Sequence[str]) -> str:
    return " and ".join(paths)
