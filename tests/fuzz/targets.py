"""The table of what is fuzzed."""

from __future__ import annotations

from typing import Final

from tests.fuzz.objects import NODE, POD, PROFILE
from tests.fuzz.questions import EXTENDER, REVIEW
from tests.fuzz.target import Target
from tests.fuzz.texts import IMAGES, QUANTITIES

TARGETS: Final[dict[str, Target]] = {
    target.name: target for target in (REVIEW, EXTENDER, NODE, POD, PROFILE, IMAGES, QUANTITIES)
}
