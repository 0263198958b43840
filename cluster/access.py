"""Who we are to the API server and where it is: `kubernetes.aio` reads kubeconfigs, in-cluster files and exec plugins.

The import costs over a second and 65 MiB, so it happens inside `load_access`, in the commands that talk to a cluster.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from model.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API server is and how to authenticate there."""

    server: str
    """Base URL without a trailing slash."""

    ssl_context: ssl.SSLContext
    authorization: Callable[[], Awaitable[str | None]]
    """The Authorization header of the next request; renews short-lived tokens."""


async def load_access(kubeconfig: Path | None = None, context: str | None = None) -> Access:
    """Access by the kubeconfig named, else by the pod's service account, else by the user's default kubeconfig.

    Raises InvalidInput where none of them can be used.
    """
    from kubernetes.aio import client, config

    configuration = client.Configuration()
    if kubeconfig is not None and not os.path.exists(kubeconfig):  # noqa: ASYNC240 - one stat at start-up
        raise InvalidInput(f"no access to a cluster: there is no kubeconfig {kubeconfig}; name one with --kubeconfig")
    try:
        if kubeconfig is not None:
            await config.load_kube_config(str(kubeconfig), context, client_configuration=configuration)
        elif _runs_in_a_pod():
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(context=context, client_configuration=configuration)
        ssl_context = _ssl_context(configuration)
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError) as error:
        origin = str(kubeconfig) if kubeconfig else "the in-cluster files and the default kubeconfig"
        raise InvalidInput(
            f"no access to a cluster: {origin} cannot be used ({_in_a_line(error)}); name one with --kubeconfig"
        ) from error
    return Access(configuration.host.rstrip("/"), ssl_context, _authorization(configuration))


def _in_a_line(error: Exception) -> str:
    """An empty kubeconfig makes the library trip over None, which tells nobody anything."""
    return "it is empty" if isinstance(error, TypeError) else " ".join(str(error).split())


def _runs_in_a_pod() -> bool:
    return Path("/var/run/secrets/kubernetes.io/serviceaccount/token").exists()


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
