"""`stoker serve`: one process with any of the roles, until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Context, Kubeconfig, Target, TimeScale
from cli.process import LINGER_SECONDS, ServeOptions, ServingProcess, UnknownProfile
from cli.roles import Role, check_clients, parse_listens, parse_roles
from cli.tls import Certificates, TlsOptions, tls_files


def serve(
    roles: Annotated[
        str,
        typer.Option(
            help="Comma-separated: webhook (admission), extender (kube-scheduler's questions), controllers "
            "(opens the gates: nominates nodes, on the replica that holds the Lease)."
        ),
    ] = "webhook,extender,controllers",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    webhook_listen: Annotated[str, typer.Option(help="Where the API server asks.")] = ":9443",
    extender_listen: Annotated[str, typer.Option(help="Where kube-scheduler asks.")] = ":9444",
    controllers_listen: Annotated[
        str, typer.Option(help="Reserved for the controllers' page; nothing listens there in this version.")
    ] = ":9445",
    metrics_listen: Annotated[str, typer.Option(help="Plain HTTP: /metrics, /healthz, /readyz.")] = ":9090",
    metrics: Annotated[bool, typer.Option("--metrics/--no-metrics", help="Serve /metrics there.")] = True,
    certificates: Annotated[
        Certificates | None,
        typer.Option(help="Who keeps certificate and caBundle: Stoker itself (default), cert-manager, or you."),
    ] = None,
    tls_cert_file: Annotated[
        Path | None,
        typer.Option(help="Serve this certificate, reloaded when it changes, instead of a self-managed one."),
    ] = None,
    tls_key_file: Annotated[Path | None, typer.Option(help="The key of --tls-cert-file.")] = None,
    client_ca_file: Annotated[
        Path | None, typer.Option(help="With files: the CA of the schedulers that may ask the extender.")
    ] = None,
    verify_webhook_clients: Annotated[
        bool, typer.Option("--verify-webhook-clients", help="Let only API servers with a client certificate ask.")
    ] = False,
    insecure_http: Annotated[
        bool, typer.Option("--insecure-http", help="Serve plain HTTP; on loopback only, for a sidecar.")
    ] = False,
    unknown_profile: Annotated[
        UnknownProfile, typer.Option(help="What becomes of pods whose namespace names a profile that does not exist.")
    ] = UnknownProfile.REFUSE,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    time_scale: TimeScale = 1.0,
    linger_seconds: Annotated[
        float, typer.Option(hidden=True, min=0.0, max=LINGER_SECONDS, help="After SIGTERM; shortened in the lab.")
    ] = LINGER_SECONDS,
    certificate_check_seconds: Annotated[
        float, typer.Option(hidden=True, min=0.05, help="Between two looks at the CA; shortened in the lab.")
    ] = 30.0,
) -> None:
    """Serve the webhook, the extender and the controllers, or any of them, until SIGTERM."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: no algebra is done that its threads would share
    import uvloop

    from serving.log import configure_logging

    configure_logging(log_level)
    wanted = parse_roles(roles)
    addresses = {Role.WEBHOOK: webhook_listen, Role.EXTENDER: extender_listen, Role.CONTROLLERS: controllers_listen}
    options = ServeOptions(
        roles=wanted,
        target=Target(kubeconfig, context),
        listens=parse_listens(wanted, addresses, metrics_listen),
        tls=TlsOptions(
            tls_files(certificates, tls_cert_file, tls_key_file, client_ca_file),
            verify_webhook_clients,
            certificate_check_seconds,
        ),
        insecure_http=insecure_http,
        unknown_profile=unknown_profile,
        time_scale=time_scale,
        linger_seconds=linger_seconds,
        metrics=metrics,
    )
    check_clients(options.listens, options.tls, insecure_http=insecure_http)
    uvloop.run(_serve(options))


async def _serve(options: ServeOptions) -> None:
    from cluster.clock import Clock
    from cluster.snapshot import Snapshot

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(await options.target.client())
        snapshot = Snapshot(
            client, Clock(options.time_scale), with_fleet=options.needs_fleet, with_waiting=options.places
        )
        await ServingProcess(options, client, snapshot, stack, stop).run()
