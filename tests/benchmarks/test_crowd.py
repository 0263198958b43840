"""The nodes that a burst is measured on."""

from __future__ import annotations

from benchmarks.crowd import IMAGES_PER_NODE, OTHER_IMAGES, is_warm, node_name, node_objects
from lab.constants import load_constants


def test_every_node_reports_fifty_images_and_a_tenth_of_them_the_tenants() -> None:
    constants = load_constants(None)
    tenants = constants.images[constants.demo.load.tenant.image].reference
    nodes = list(node_objects(constants, 40))
    assert {len(node["status"]["images"]) for node in nodes} == {IMAGES_PER_NODE}
    having = {
        node["metadata"]["name"]
        for node in nodes
        if any(tenants in image["names"] for image in node["status"]["images"])
    }
    assert having == {node_name(index) for index in range(40) if is_warm(index)}
    assert len(having) == 4


def test_the_nodes_are_always_the_same_but_for_the_time() -> None:
    constants = load_constants(None)
    first, second = (
        [(node["metadata"], node["status"]["images"]) for node in node_objects(constants, 3)] for _ in range(2)
    )
    assert first == second


def test_a_few_hundred_nodes_report_most_of_the_thousands_of_images() -> None:
    nodes = node_objects(load_constants(None), 400)
    reported = {image["names"][1] for node in nodes for image in node["status"]["images"]}
    assert len(reported) > 0.9 * OTHER_IMAGES
