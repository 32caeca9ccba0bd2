"""What the tests need from their environment."""

import os

import pytest


def pytest_configure() -> None:
    if not os.environ.get("DATABASE_URL"):
        raise pytest.UsageError(
            "DATABASE_URL is not set: name a PostgreSQL database for these tests, which create the table tasks in it"
        )
