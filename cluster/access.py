"""Who we are to the API server and where it is: `kubernetes.aio` reads kubeconfigs, in-cluster files and exec plugins.

The import costs over a second and 65 MiB, so it happens inside `load_access`, in the commands that talk to a cluster.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cluster.kubeconfig import ADVICE, Choice, choose
from cluster.tokens import FileToken, PluginTokens, in_a_line, overheard
from model.errors import InvalidInput

SERVICE_ACCOUNT_TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and how to authenticate there.

    A certificate is read once, that of a kubeconfig's plugin too: where it runs out, Stoker has to be started again.
    """

    server: str
    """Base URL without a trailing slash."""

    ssl_context: ssl.SSLContext
    authorization: Callable[[], Awaitable[str | None]]
    """The Authorization header of the next request; renews short-lived tokens. ConnectionFailed where the last one has
    run out and there is no other."""


async def load_access(kubeconfig: Path | None = None, context: str | None = None) -> Access:
    """Access by the kubeconfig named, else by the pod's service account, else by the user's default kubeconfig.

    A `context` named is one of a kubeconfig, inside a pod too. Raises InvalidInput where none of them can be used.
    """
    in_cluster = kubeconfig is None and context is None and SERVICE_ACCOUNT_TOKEN.exists()
    choice = None if in_cluster else choose(kubeconfig, context, os.environ.get("KUBECONFIG"))
    from kubernetes.aio import client, config

    configuration = client.Configuration()
    try:
        if choice is None:
            config.load_incluster_config(client_configuration=configuration)
            configuration.refresh_api_key_hook = FileToken(SERVICE_ACCOUNT_TOKEN).renew
        else:
            await _load(choice, configuration)
        ssl_context = _ssl_context(configuration)
    except (config.ConfigException, OSError, ValueError, TypeError) as error:
        origin = choice or "the service account of this pod"
        raise InvalidInput(
            f"no access to a cluster: {origin} cannot be used ({in_a_line(error)}); mend it, or {ADVICE}"
        ) from error
    return Access(configuration.host.rstrip("/"), ssl_context, _authorization(configuration))


async def _load(choice: Choice, configuration: Any) -> None:
    """InvalidInput where the plugin fails that gives the credentials: the library says so in its log, and goes on."""
    from kubernetes.aio import config

    paths = os.pathsep.join(choice.paths)
    with overheard(logging.getLogger(config.load_kube_config.__module__)) as complaints:
        loader = await config.load_kube_config(paths, choice.context, client_configuration=configuration)
    if complaints:
        raise InvalidInput(
            f"no access to a cluster: {choice} gets its credentials by the command {choice.plugin!r}, which failed "
            f"({'; '.join(complaints)}); run it by hand"
        )
    if choice.token_file is not None:
        configuration.refresh_api_key_hook = FileToken(choice.token_file).renew
    elif hasattr(loader, "exec_plugin_expiry"):
        configuration.refresh_api_key_hook = PluginTokens(loader, choice.plugin).renew


def _ssl_context(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorization(configuration: Any) -> Callable[[], Awaitable[str | None]]:
    async def header() -> str | None:
        token: str | None = await configuration.get_api_key_with_prefix("BearerToken")
        return token or configuration.get_basic_auth_token()

    return header
