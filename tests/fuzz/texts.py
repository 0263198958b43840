"""Targets that read one text: image references and quantities."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from model.errors import InvalidImage, InvalidInput
from model.images import canonical_image, parse_image
from model.quantities import LARGEST, milli_cpus, whole
from tests.builders import DIGEST
from tests.fuzz.target import Target, as_it_is, require

SUFFIXES: Final = {
    "": Fraction(1),
    **{name: Fraction(1, 10 ** (3 * power)) for power, name in enumerate("mun", start=1)},
    **{name: Fraction(10 ** (3 * power)) for power, name in enumerate("kMGTPE", start=1)},
    **{f"{name}i": Fraction(2 ** (10 * power)) for power, name in enumerate("KMGTPE", start=1)},
}
NUMBER: Final = re.compile(r"([+-]?)([0-9]*)(\.?)([0-9]*)([a-zA-Z]*)([+-]?[0-9]*)", re.ASCII)
MOST_DIGITS: Final = 40


def check_image(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    canonical = canonical_image(text)
    require(canonical_image(canonical) == canonical, "naming an image canonically twice is naming it so once")
    try:
        image = parse_image(text)
    except InvalidImage as error:
        require(repr(text) in str(error), "a refusal names the reference")
        require(canonical == text, "what is no reference stays as it is")
        return
    require(image.canonical == canonical, "there is one canonical name")
    require(bool(image.tag or image.digest), "an image has a tag or a digest")
    require(not (image.digest and image.is_mutable), "a digest never moves")
    again = parse_image(canonical)
    require((again.registry, again.repository) == (image.registry, image.repository), "the name is read back")


def check_quantity(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    expected = exact(text)
    for read, factor in ((whole, 1), (milli_cpus, 1_000)):
        try:
            amount = read(text)
        except InvalidInput as error:
            require(expected is None or expected < 0, f"{text!r} is a quantity")
            require(repr(text) in str(error), "a refusal names the quantity")
            continue
        require(expected is not None, f"{text!r} is no quantity")
        wanted = min(LARGEST, -(-(expected or Fraction()) * factor // 1))
        require(amount == wanted, f"{text!r} is {wanted}, not {amount}")


def exact(text: str) -> Fraction | None:
    """The value of a quantity, by a grammar of its own; None where it is none."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, integer, point, fraction, letters, exponent = found.groups()
    if not integer + fraction or max(len(integer), len(fraction)) > MOST_DIGITS or (fraction and not point):
        return None
    number = Fraction(int(f"{integer}{fraction}"), 10 ** len(fraction)) * (-1 if sign == "-" else 1)
    if letters in SUFFIXES and not exponent:
        return number * SUFFIXES[letters]
    if letters in ("e", "E") and 1 <= len(exponent.lstrip("+-")) <= 3:
        return number * Fraction(10) ** int(exponent)
    return None


IMAGES: Final = Target(
    "images",
    "a reference is read or refused by its own error; its canonical name is stable",
    check_image,
    as_it_is,
    (
        *(b"nginx", b"docker.io/library/nginx:latest", b"registry.example:5000/team/agent:v1.4.2", b"localhost/a"),
        *(b"[::1]:80/a/b__c-d:T_1", b"index.docker.io/x", f"a/b:tag@{DIGEST}".encode(), b"A.b/c@sha512:" + b"a" * 128),
    ),
    words=(*"abzAZ019:/@._-[]%", "docker.io", "library/", "localhost", "sha256:", DIGEST, "latest", "__", "é", "\n"),
)

QUANTITIES: Final = Target(
    "quantities",
    "a quantity is exactly what exact fractions make of it, or refused",
    check_quantity,
    as_it_is,
    (b"0", b"500m", b"1.5Gi", b"2e3", b"+.5", b"1E", b"1E3", b"-0", b"9223372036854775807", b"1e-9", b"100n", b"1."),
    words=(*"0123456789.+-eEnumkKMGTP", "Ki", "Mi", "Ei", "9" * 40, "e-", "\u0661", "\n", " "),
)
