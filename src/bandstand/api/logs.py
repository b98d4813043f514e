"""How this process writes its own log: one event a line on standard error, JSON unless that is a terminal."""

from __future__ import annotations

import sys

import structlog


def configure_logs() -> None:
    """Set the process-wide configuration; called once, by whoever owns the process."""
    terminal = sys.stderr.isatty()
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False) if terminal else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )
