"""What route functions get handed: the service, the metrics, and the check of the admin key."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Header, Request

from bandstand.api.metrics import Metrics
from bandstand.api.recorder import Recorder
from bandstand.api.service import Service
from bandstand.errors import Forbidden


def service_of(request: Request) -> Service:
    """The service of the app that got the request."""
    service: Service = request.app.state.service
    return service


def metrics_of(request: Request) -> Metrics:
    """The metrics of the app that got the request."""
    metrics: Metrics = request.app.state.metrics
    return metrics


def recorder_of(request: Request) -> Recorder:
    """The recorder of the app that got the request."""
    recorder: Recorder = request.app.state.recorder
    return recorder


KeyHeader = Annotated[str | None, Header()]


def opens(request: Request, x_bandstand_key: str | None) -> bool:
    """Whether this is the admin key, or none is set."""
    expected = service_of(request).settings.admin_key
    return not expected or hmac.compare_digest((x_bandstand_key or "").encode(), expected.encode())


def check_admin(request: Request, x_bandstand_key: KeyHeader = None) -> None:
    """Let through who has the admin key, everybody where none is set.

    Raises:
        Forbidden: the key is missing or wrong.
    """
    if not opens(request, x_bandstand_key):
        raise Forbidden("this needs the admin key in the header X-Bandstand-Key")


ServiceOf = Annotated[Service, Depends(service_of)]
MetricsOf = Annotated[Metrics, Depends(metrics_of)]
RecorderOf = Annotated[Recorder, Depends(recorder_of)]
ADMIN = [Depends(check_admin)]
