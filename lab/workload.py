"""The namespaces and pods of a demonstration: the built-in ones, or a user's from a YAML file."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from lab.constants import Constants
from lab.fleets import OtherPod, TenantPod
from model import names
from model.errors import InvalidInput

Manifest = dict[str, Any]

TENANT_NAMESPACE: Final = "tenant-a"
OTHER_NAMESPACE: Final = "others"
KINDS: Final = ("Namespace", "Pod")


@dataclass(frozen=True, slots=True)
class Workload:
    """Namespaces with the labels they are to have where Stoker is at work, and pods in the order of their creation."""

    namespaces: tuple[Manifest, ...]
    pods: tuple[Manifest, ...]

    @property
    def tenant_namespaces(self) -> frozenset[str]:
        return frozenset(item["metadata"]["name"] for item in self.namespaces if profile_of(item))


def profile_of(namespace: Manifest) -> str | None:
    """The profile that a namespace opts in to."""
    labels = namespace["metadata"].get("labels") or {}
    return labels.get(names.PROFILE_LABEL)


def built_in(constants: Constants, profile: str) -> Workload:
    """The load of the constants: tenants' pods and others', one of the others after every few of the tenants'."""
    load = constants.demo.load
    tenants = [tenant_pod(f"agent-{number:03}", constants) for number in range(load.tenant_pods)]
    others = [_other_pod(f"web-{number:03}", constants) for number in range(load.other_pods)]
    pods = [pod for _, pod in sorted([*_spread(tenants), *_spread(others)], key=lambda item: item[0])]
    return Workload(_namespaces(profile), tuple(pods))


def from_file(path: Path, profile: str) -> Workload:
    """Namespaces and Pods of a YAML file; pods without a namespace go to the demo's tenant. InvalidInput otherwise."""
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path} is not YAML: {error}") from error
    manifests = [item for number, document in enumerate(documents, 1) for item in _manifests(document, path, number)]
    pods = [item for item in manifests if item["kind"] == "Pod"]
    if not pods:
        raise InvalidInput(f"{path} has no Pod; the demo needs one at least")
    namespaces = {item["metadata"]["name"]: item for item in _namespaces(profile)}
    namespaces.update((item["metadata"]["name"], item) for item in manifests if item["kind"] == "Namespace")
    for pod in pods:
        name = pod["metadata"]["namespace"] = pod["metadata"].get("namespace") or TENANT_NAMESPACE
        namespaces.setdefault(name, _namespace(name))
    return Workload(tuple(namespaces.values()), tuple(pods))


def _manifests(document: Any, path: Path, number: int) -> Iterator[Manifest]:
    """The objects of a document, itself one or a List, each checked for what the demo relies on."""
    if document is None:
        return
    where = f"{path}, document {number}"
    if isinstance(document, dict) and str(document.get("kind", "")).endswith("List"):
        items = document.get("items") or []
        if not isinstance(items, list):
            raise InvalidInput(f"{where}: the items of the {document['kind']} are not a list; make them one")
        for item in items:
            yield from _manifests(item, path, number)
        return
    if not isinstance(document, dict) or document.get("kind") not in KINDS or document.get("apiVersion") != "v1":
        kind = f"a {document.get('kind')}" if isinstance(document, dict) else type(document).__name__
        raise InvalidInput(f"{where}: {kind} is neither a Namespace nor a Pod of v1; leave it out")
    _check_metadata(document, where)
    if document["kind"] == "Pod" and not isinstance(document.get("spec"), dict):
        raise InvalidInput(f"{where}: the Pod {document['metadata'].get('name')} has no spec; give it one")
    yield deepcopy(document)


def _check_metadata(document: Manifest, where: str) -> None:
    """What the demo itself reads of metadata; the rest is for the API server to judge."""
    kind, metadata = document["kind"], document.get("metadata")
    if not isinstance(metadata, dict):
        raise InvalidInput(f"{where}: the {kind} has no metadata; give it a metadata.name")
    for key in ("name", "generateName", "namespace"):
        if not isinstance(metadata.get(key), str | None):
            raise InvalidInput(f"{where}: metadata.{key} of the {kind} is no text: {metadata[key]!r}; quote it")
    if not metadata.get("name") and (kind == "Namespace" or not metadata.get("generateName")):
        raise InvalidInput(f"{where}: the {kind} has no metadata.name; give it one")
    if not isinstance(metadata.get("labels"), dict | None):
        raise InvalidInput(f"{where}: metadata.labels of the {kind} are not a mapping; write `key: value` lines")


def _namespaces(profile: str) -> tuple[Manifest, ...]:
    return _namespace(TENANT_NAMESPACE, profile), _namespace(OTHER_NAMESPACE)


def _namespace(name: str, profile: str | None = None) -> Manifest:
    labels = {names.PROFILE_LABEL: profile} if profile else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _spread(pods: list[Manifest]) -> Iterator[tuple[float, Manifest]]:
    return (((index + 0.5) / len(pods), pod) for index, pod in enumerate(pods))


def tenant_pod(name: str, constants: Constants) -> Manifest:
    """As a tenant writes it without Stoker: with the Kata class, since plain Kubernetes would run it without."""
    load = constants.demo.load.tenant
    spec: Manifest = {
        "runtimeClassName": constants.kata.runtime_class,
        "initContainers": [{**_container("restore", load, constants, load.init_image), "args": ["s3", "sync"]}],
        "containers": [_container("agent", load, constants, load.image)],
    }
    return _pod(name, TENANT_NAMESPACE, spec)


def _other_pod(name: str, constants: Constants) -> Manifest:
    load = constants.demo.load.other
    return _pod(name, OTHER_NAMESPACE, {"containers": [_container("web", load, constants, load.image)]})


def _pod(name: str, namespace: str, spec: Manifest) -> Manifest:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _container(name: str, load: TenantPod | OtherPod, constants: Constants, image: str) -> Manifest:
    return {
        "name": name,
        "image": constants.images[image].reference,
        "imagePullPolicy": load.image_pull_policy,
        "resources": {"requests": {"cpu": load.cpu, "memory": load.memory}},
    }
