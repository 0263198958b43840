"""Gates and schedulers of ours are written only while their Leases are seen renewed, and their absence is told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from model import names
from tests.builders import pod, profile, review
from tests.webhook.patching import apply_patch, read_pod
from tests.webhook.tenants import Tenants
from webhook.attendance import attended
from webhook.decision import Admission
from webhook.review import AdmissionRequest
import msgspec

BOTH = (names.CONTROLLERS_LEASE, names.SCHEDULER)
