from __future__ import annotations

from pathlib import Path

from lab.commandlines import ApiServerFiles, ControlPlaneSettings, apiserver, etcd, scheduler_configuration
from lab.credentials import CredentialFiles

KUBECONFIG = Path("/lab/scheduler.kubeconfig")
FILES = CredentialFiles(Path("/lab/some.crt"), Path("/lab/some.key"))


def apiserver_words(settings: ControlPlaneSettings) -> list[str]:
    files = ApiServerFiles(client_ca=Path("/lab/ca.crt"), serving=FILES, service_accounts=FILES)
    return apiserver(Path("kube-apiserver"), "http://127.0.0.1:20001", 20002, files, settings)


def test_a_scheduler_is_alone_and_not_limited_unless_told_otherwise() -> None:
    configuration = scheduler_configuration({}, KUBECONFIG)
    assert configuration["leaderElection"] == {"leaderElect": False}
    assert configuration["clientConnection"] == {"qps": 1000, "burst": 2000, "kubeconfig": str(KUBECONFIG)}


def test_what_a_scheduler_configuration_says_is_kept() -> None:
    given = {
        "percentageOfNodesToScore": 100,
        "leaderElection": {"leaderElect": True},
        "clientConnection": {"qps": 50},
    }
    configuration = scheduler_configuration(given, KUBECONFIG)
    assert configuration["percentageOfNodesToScore"] == 100
    assert configuration["leaderElection"] == {"leaderElect": True}
    assert configuration["clientConnection"] == {"qps": 50, "burst": 2000, "kubeconfig": str(KUBECONFIG)}


def test_a_scheduler_never_uses_the_kubeconfig_of_its_configuration() -> None:
    given = {"clientConnection": {"kubeconfig": "/etc/kubernetes/scheduler.conf"}}
    assert scheduler_configuration(given, KUBECONFIG)["clientConnection"]["kubeconfig"] == str(KUBECONFIG)


def test_completing_a_scheduler_configuration_leaves_the_given_one_alone() -> None:
    given: dict[str, object] = {"clientConnection": {"qps": 50}}
    scheduler_configuration(given, KUBECONFIG)
    assert given == {"clientConnection": {"qps": 50}}


def test_pods_need_a_service_account_only_where_somebody_makes_them() -> None:
    off = "--disable-admission-plugins=ServiceAccount"
    with_it, without = ControlPlaneSettings(), ControlPlaneSettings(controller_manager=False)
    assert (off in apiserver_words(with_it), off in apiserver_words(without)) == (False, True)


def test_servers_listen_on_loopback_alone() -> None:
    words = [*apiserver_words(ControlPlaneSettings()), *etcd(Path("etcd"), Path("/lab/etcd"), 20001, 20003)]
    listening = [word for word in words if word.startswith(("--listen", "--bind", "--advertise", "--initial-adv"))]
    assert len(listening) == 6
    assert all("127.0.0.1" in word for word in listening)
