"""Runs the service: ``python -m tasks_api``."""

import os

import uvicorn

from .app import create_app
from .settings import read_settings

if __name__ == "__main__":
    settings = read_settings(os.environ)
    uvicorn.run(create_app(settings), host=settings.host, port=settings.port, access_log=False, log_level="warning")
