"""The names that Stoker writes into a cluster or reads from one. Each is a contract: none may change."""

from __future__ import annotations

from typing import Final

GROUP: Final = "stoker.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

PROFILE_LABEL: Final = "stoker.dev/profile"
"""On a namespace: the TenantProfile its pods get."""

PROFILE_ANNOTATION: Final = "stoker.dev/profile"
"""On a pod: the TenantProfile it got at admission."""

FORECAST_ANNOTATION: Final = "stoker.dev/forecast"
"""On a pod or on an event about it: the forecast as compact JSON (node, seconds, terms)."""

PEER_POD_ANNOTATION: Final = "stoker.dev/peer-pod"
"""On a pod in the peer form: what its containers asked for, and which annotations size its virtual machine, as JSON."""

RUNTIME_RESTARTED_ANNOTATION: Final = "stoker.dev/runtime-restarted-at"
"""On a node: when containerd was last seen to be restarted, RFC 3339."""

WARM_NODE_GATE: Final = "stoker.dev/warm-node"
"""The scheduling gate that the placement controller opens."""

NOT_WARM_TAINT: Final = "stoker.dev/not-warm"
"""Key of the startup taint, effect NoSchedule, of nodes that are not warm yet."""

NAMESPACE: Final = "stoker-system"
SERVICE: Final = "stoker"
CA_SECRET: Final = "stoker-ca"  # noqa: S105 - the name of an object, not a secret
REPLICAS_CONFIG_MAP: Final = "stoker-replicas"
"""Which replicas serve with self-managed certificates, and from which CA each one's certificate comes."""

ROLLOVER_WAIT_ANNOTATION: Final = "stoker.dev/rollover-wait-seconds"
"""On the CA Secret: roll the CA over, with so many seconds between publishing the next CA and using it."""

SWITCH_AFTER_ANNOTATION: Final = "stoker.dev/switch-after"
"""On the CA Secret: when the next CA, published everywhere by now, may be used; RFC 3339."""

WEBHOOK_CONFIGURATION: Final = "stoker"
SCHEDULER: Final = "stoker-scheduler"
"""The second scheduler: its name in pods, and the name of its Lease."""

CONTROLLERS_LEASE: Final = "stoker-controllers"
"""The Lease of the replica whose controllers work."""

HOLDER_ADDRESS_ANNOTATION: Final = "stoker.dev/holder-address"
"""On that Lease: `IDENTITY@HOST:PORT`, the holder and where its metrics are, which nobody serves once it is dead."""

# Names that others own.
KATA_LABEL: Final = "katacontainers.io/kata-runtime"
"""On a node, by kata-deploy: "false" while it installs, "true" once installed."""

KATA_DEPLOY: Final = "kata-deploy"
"""Value of the label `name` on kata-deploy's pods."""

MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
ARCHITECTURE_LABEL: Final = "kubernetes.io/arch"
