"""Where the programs of the control plane come from: this machine, the cache, or a build."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KUBERNETES_VERSION = "v1.36.3"


@dataclass(frozen=True, slots=True)
class Programs:
    """The five programs; each reports the version the lab is made for."""

    etcd: Path
    kube_apiserver: Path
    kube_scheduler: Path
    kube_controller_manager: Path
    kubectl: Path
