"""How the programs of the control plane are called. Everything listens on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.credentials import CredentialFiles

SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"
SERVICE_CLUSTER_IP_RANGE = "10.96.0.0/16"
LOOPBACK = "127.0.0.1"

ENVIRONMENT = {"GOGC": "400"}
"""Of the Kubernetes programs: they share few processors with their clients, and memory there is enough, so they collect
garbage when the heap has grown fivefold, not twofold."""


@dataclass(frozen=True, slots=True)
class ControlPlaneSettings:
    """What may differ from one control plane of the lab to another."""

    controller_manager: bool = True
    """Whether kube-controller-manager runs: service accounts, namespaces' ends, node lifecycle, Deployments, Jobs.

    Without it nobody makes the service account `default` of a namespace, so the admission plugin that wants one in
    every pod is switched off; new nodes keep the taint `node.kubernetes.io/not-ready` until somebody takes it off."""

    node_monitor_grace_period_seconds: int = 50
    """After so many seconds without a heartbeat a node becomes Unknown; 50 is Kubernetes' own default."""

    max_requests_inflight: int = 3000
    """Reading requests at once (Kubernetes: 400). On one machine clients, server and store share the processors anyway,
    so a limit made for a fleet of API servers would only turn a burst of the lab into 429s."""

    max_mutating_requests_inflight: int = 1000
    """Writing requests at once (Kubernetes: 200); priority and fairness divides the sum of both among its levels."""

    audited_groups: tuple[str, ...] = ()
    """Groups of users whose requests kube-apiserver records in logs/audit.log, a JSON object a line."""

    streams_lists: bool = True
    """Whether a watch may begin with a list (WatchList, the default); without, clients list in pages."""

    admission_configuration: Path | None = None
    """An AdmissionConfiguration for kube-apiserver: with which certificate it calls webhooks."""

    verbosity: int = 0
    """klog's -v for all Kubernetes programs; 0 is quiet, 4 tells why a pod was placed where it is."""

    ready_seconds: int = 60
    """How long each program may take until it is ready: 1 to 4 s on an idle machine, far more on a busy one."""


def etcd(program: Path, data: Path, client_port: int, peer_port: int) -> list[str]:
    client_url, peer_url = f"http://{LOOPBACK}:{client_port}", f"http://{LOOPBACK}:{peer_port}"
    return [
        str(program),
        "--name=lab",
        f"--data-dir={data}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=lab={peer_url}",
        "--unsafe-no-fsync",  # a lab's data need not survive a power failure
        "--quota-backend-bytes=8589934592",  # Events of a long scenario exceed the default of 2 GiB
        "--log-level=warn",
    ]


@dataclass(frozen=True, slots=True)
class ApiServerFiles:
    """What kube-apiserver reads."""

    client_ca: Path
    serving: CredentialFiles
    service_accounts: CredentialFiles
    audit_policy: Path | None = None
    audit_log: Path | None = None


def apiserver(
    program: Path, etcd_url: str, port: int, files: ApiServerFiles, settings: ControlPlaneSettings
) -> list[str]:
    words = [
        str(program),
        f"--etcd-servers={etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",  # an endpoint of the Service `kubernetes` may not be on loopback
        f"--tls-cert-file={files.serving.certificate}",
        f"--tls-private-key-file={files.serving.key}",
        f"--client-ca-file={files.client_ca}",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
        f"--service-account-key-file={files.service_accounts.certificate}",
        f"--service-account-signing-key-file={files.service_accounts.key}",
        f"--service-cluster-ip-range={SERVICE_CLUSTER_IP_RANGE}",
        f"--max-requests-inflight={settings.max_requests_inflight}",
        f"--max-mutating-requests-inflight={settings.max_mutating_requests_inflight}",
        f"--v={settings.verbosity}",
    ]
    if settings.admission_configuration is not None:
        words.append(f"--admission-control-config-file={settings.admission_configuration}")
    if not settings.controller_manager:
        words.append("--disable-admission-plugins=ServiceAccount")
    if not settings.streams_lists:
        words.append("--feature-gates=WatchList=false")
    if files.audit_policy is not None:
        words += [f"--audit-policy-file={files.audit_policy}", f"--audit-log-path={files.audit_log}"]
    return words


@dataclass(frozen=True, slots=True)
class ClientFiles:
    """What a controller or scheduler reads: who it is to the API server, and what it serves its own pages with."""

    kubeconfig: Path
    serving: CredentialFiles


def controller_manager(
    program: Path, port: int, files: ClientFiles, trust: ApiServerFiles, settings: ControlPlaneSettings
) -> list[str]:
    return [
        str(program),
        *_serving_words(port, files),
        f"--kubeconfig={files.kubeconfig}",
        f"--root-ca-file={trust.client_ca}",
        f"--service-account-private-key-file={trust.service_accounts.key}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        f"--node-monitor-grace-period={settings.node_monitor_grace_period_seconds}s",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
        f"--v={settings.verbosity}",
    ]


def scheduler(program: Path, port: int, files: ClientFiles, configuration: Path, verbosity: int) -> list[str]:
    return [
        str(program),
        *_serving_words(port, files),
        f"--config={configuration}",
        f"--v={verbosity}",
    ]


def audit_policy(groups: Sequence[str]) -> dict[str, Any]:
    """Who asked for what, of these groups alone, once a request is answered or, for a watch, begun."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "userGroups": list(groups)}],
    }


def scheduler_configuration(configuration: Mapping[str, Any], kubeconfig: Path) -> dict[str, Any]:
    """`configuration` completed by what this machine decides: who the scheduler is, that it is alone, its API limits.

    What is given wins, but for the kubeconfig. The limits are far above kube-scheduler's own 50 requests a second,
    which would be what a burst measures.
    """
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        **configuration,
        "leaderElection": {"leaderElect": False, **configuration.get("leaderElection", {})},
        "clientConnection": {
            "qps": 1000,
            "burst": 2000,
            **configuration.get("clientConnection", {}),
            "kubeconfig": str(kubeconfig),
        },
    }


def _serving_words(port: int, files: ClientFiles) -> list[str]:
    return [
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={files.serving.certificate}",
        f"--tls-private-key-file={files.serving.key}",
        f"--authentication-kubeconfig={files.kubeconfig}",
        f"--authorization-kubeconfig={files.kubeconfig}",
    ]
