"""Image references: which spellings are one image, which are none, and which may change under their name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.errors import InvalidImage
from model.images import canonical_image, parse_image

SHA256 = "sha256:" + "0123456789abcdef" * 4
SHA512 = "sha512:" + "0123456789abcdef" * 8

COMPONENT = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}", fullmatch=True)
REGISTRY = st.sampled_from(
    ["", "docker.io/", "index.docker.io/", "localhost/", "localhost:5000/", "Host/", "a.b/", "[::1]:5/"]
)
TAIL = st.sampled_from(["", ":latest", ":V1.2_x-3", f"@{SHA256}", f":v1@{SHA512}"])


def _joined(host: str, path: list[str], tail: str) -> str:
    """Without a host, a first component with a dot would be read as one."""
    first = path[0] if host else path[0].replace(".", "-")
    return host + "/".join([first, *path[1:]]) + tail


REFERENCE = st.builds(_joined, REGISTRY, st.lists(COMPONENT, min_size=1, max_size=3), TAIL)


@pytest.mark.parametrize(
    ("reference", "canonical"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.29", "docker.io/library/nginx:1.29"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/library/nginx:latest", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("bitnami/redis:8", "docker.io/bitnami/redis:8"),
        (f"nginx@{SHA256}", f"docker.io/library/nginx@{SHA256}"),
        (f"nginx:1.29@{SHA256}", f"docker.io/library/nginx@{SHA256}"),
        (f"ghcr.io/a/b@{SHA512}", f"ghcr.io/a/b@{SHA512}"),
        ("localhost/agent", "localhost/agent:latest"),
        ("localhost:5000/agent", "localhost:5000/agent:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("registry:5000/team/agent:1", "registry:5000/team/agent:1"),
        ("[fd00::1]:5000/agent", "[fd00::1]:5000/agent:latest"),
        ("[fd00::1]/agent:2", "[fd00::1]/agent:2"),
        ("Registry/agent", "Registry/agent:latest"),
        ("GHCR.io/owner/agent", "GHCR.io/owner/agent:latest"),
        ("a/b/c/d:T-1.x_y", "docker.io/a/b/c/d:T-1.x_y"),
    ],
)
def test_every_spelling_of_an_image_has_one_canonical_form(reference: str, canonical: str) -> None:
    assert parse_image(reference).canonical == canonical


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ("", "not a repository"),
        (":", "not a tag"),
        ("nginx:", "not a tag"),
        ("nginx:-x", "not a tag"),
        ("nginx:" + "t" * 129, "not a tag"),
        ("Nginx", "not a repository"),
        ("nginx\n", "not a repository"),
        ("a//b", "not a repository"),
        ("docker.io/", "not a repository"),
        ("ghcr.io/", "not a repository"),
        ("-bad.example/agent", "not a registry's host name"),
        ("host:port/agent", "not a registry's host name"),
        ("a/" + "b" * 254, "not a repository"),
        ("nginx@", "not a digest"),
        ("nginx@sha256:abc", "not a digest"),
        (f"nginx@{SHA256}0", "not a digest"),
        (f"nginx@{SHA256.upper()}", "not a digest"),
        (f"nginx@md5:{'0' * 32}", "not a digest"),
        (f"nginx@{SHA256}@{SHA256}", "not a digest"),
        ("ünicode", "not a repository"),
    ],
)
def test_a_reference_that_no_runtime_takes_is_refused_and_named(reference: str, complaint: str) -> None:
    with pytest.raises(InvalidImage, match=complaint) as caught:
        parse_image(reference)
    assert repr(reference) in str(caught.value)


@given(REFERENCE)
def test_the_canonical_form_is_its_own_canonical_form(reference: str) -> None:
    canonical = parse_image(reference).canonical
    assert parse_image(canonical).canonical == canonical


@given(st.text(max_size=60))
def test_any_text_has_a_canonical_form_that_is_its_own(text: str) -> None:
    assert canonical_image(canonical_image(text)) == canonical_image(text)


def test_a_text_that_is_no_reference_equals_only_itself() -> None:
    assert canonical_image("<none>@<none>") == "<none>@<none>"


@pytest.mark.parametrize(
    ("reference", "mutable"),
    [
        ("nginx", True),
        ("nginx:latest", True),
        ("nginx:stable", True),
        ("nginx:stable-1.29", True),
        ("agent:main-arm64", True),
        ("agent:Nightly_2", True),
        ("agent:prod", True),
        ("agent:v1.4.2", False),
        ("agent:1", False),
        ("agent:2026-03-03", False),
        ("agent:3f9c1ab", False),
        ("agent:mainframe-2", False),
        (f"agent@{SHA256}", False),
        (f"agent:latest@{SHA256}", False),
    ],
)
def test_tags_of_channels_and_tags_without_a_digit_move(reference: str, mutable: bool) -> None:
    assert parse_image(reference).is_mutable is mutable
