"""Arbitrary nodes, sizes and demands for hypothesis: everything that the API could tell, absurd values too."""

from __future__ import annotations

from hypothesis import strategies as st

from model.nodes import RuntimeInstaller
from tests.builders import AGENT_IMAGE, Sizes, demand, node

IMAGES = (AGENT_IMAGE, "registry.example/sidecar:v2", "docker.io/library/nginx:latest")
MOMENTS = st.floats(-1e12, 1e12, allow_nan=False)

NODES = st.builds(
    node,
    name=st.sampled_from(["a", "b", "c"]),
    architecture=st.sampled_from(["amd64", "arm64", "riscv64", ""]),
    created=MOMENTS,
    ready=st.sampled_from([True, False, None]),
    handlers=st.sampled_from([None, frozenset({"", "runc"}), frozenset({"", "kata-qemu"})]),
    kata_label=st.sampled_from([None, "true", "false"]),
    kata_labelled=st.none() | MOMENTS,
    installer=st.none()
    | st.builds(
        RuntimeInstaller,
        created=MOMENTS,
        started=st.none() | MOMENTS,
        ready=st.booleans(),
        restarts=st.integers(0, 5),
    ),
    containerd_restarted=st.none() | MOMENTS,
    sandbox_failed=st.none() | MOMENTS,
    images=st.frozensets(st.sampled_from(IMAGES)),
    smallest_reported_bytes=st.none() | st.integers(0, 10**15),
    images_reported=st.booleans(),
    pulling=st.frozensets(st.sampled_from(IMAGES)),
    starting=st.floats(0, 1e6),
)
DEMANDS = st.builds(
    lambda images, handler, init: demand(*images, handler=handler, init=init),
    st.lists(st.sampled_from(IMAGES), max_size=3),
    st.sampled_from(["", "kata-qemu", "runsc"]),
    st.booleans(),
)
SIZES = st.dictionaries(st.sampled_from(IMAGES), st.integers(1, 10**15)).map(Sizes)
