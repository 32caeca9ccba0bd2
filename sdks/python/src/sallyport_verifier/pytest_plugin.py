"""Fixtures of pytest, found by pytest wherever the package is installed."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .testing import FakeIssuer


@pytest.fixture
def fake_issuer() -> "FakeIssuer":
    """An issuer in memory that mints, rotates keys, revokes and goes stale: ``Verifier(**fake_issuer.options)``."""
    from .testing import FakeIssuer

    return FakeIssuer()
