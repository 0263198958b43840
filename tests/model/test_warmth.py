"""Warmth: the handler works, containerd has settled, the images are there; what is missing is named in order."""

from __future__ import annotations

from typing import Any

import pytest

from model.warmth import Warmth, warmth_of
from tests.builders import AGENT_IMAGE, node, priors

NOW = 10_000.0


def warmth(**facts: Any) -> Warmth:
    return warmth_of(node(**facts), priors(), "kata-qemu", [AGENT_IMAGE], NOW)


def test_a_node_that_lacks_nothing_is_warm() -> None:
    assert warmth() == Warmth(warm=True)


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        ({"ready": False}, "the node is not ready"),
        ({"ready": None}, "the node is not ready"),
        ({"handlers": frozenset({"runc"}), "kata_label": None}, "the runtime handler is absent"),
        ({"handlers": None, "kata_label": None}, "the kubelet reports no handlers"),
        ({"containerd_restarted": NOW - 5}, "containerd was restarted"),
        ({"sandbox_failed": NOW - 5}, "sandboxes are failing here"),
        ({"images": frozenset()}, f"image {AGENT_IMAGE}"),
    ],
)
def test_a_node_that_lacks_one_thing_is_not_warm_and_says_which(facts: dict[str, Any], missing: str) -> None:
    result = warmth(**facts)
    assert (result.warm, len(result.missing)) == (False, 1)
    assert result.missing[0].startswith(missing)


def test_what_is_missing_stands_in_the_order_it_has_to_come() -> None:
    result = warmth(ready=False, handlers=None, kata_label="false", images=frozenset())
    firsts = [text.split(";")[0] for text in result.missing]
    assert firsts == [
        "the node is not ready",
        "kata-deploy is installing the runtime",
        "containerd will be restarted",
        f"image {AGENT_IMAGE}",
    ]


def test_more_starts_do_not_cool_a_node() -> None:
    assert warmth(starting=50.0).warm
