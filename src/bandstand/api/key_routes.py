"""Routes of the keys: what `bandstand keys` does, over HTTP."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from bandstand.access.keys import Grant, issue, revoke, rotate
from bandstand.access.scopes import Scope
from bandstand.access.shown import IssuedAnswer, KeyAnswer, KeysAnswer
from bandstand.api.routing import JsonAnswer, ServiceOf, answered, problems
from bandstand.api.service import Service
from bandstand.engine.filters import FILTER_SCHEMA, filters_of
from bandstand.types import KINDS, Boundary, Kind
from bandstand.types.times import DAY_S, HOUR_S

router = APIRouter(prefix="/v1/keys", tags=["keys"], responses=problems(422))

_Origin = Annotated[str, Field(max_length=200)]


class KeyBody(BaseModel):
    """`POST /v1/keys`."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=64)] = Field(description="`anonymous` is the key of whoever gives none")
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    days: Annotated[float, Field(gt=0, le=36_500)] | None = Field(None, description="Until it expires; null: never")
    origins: Annotated[list[_Origin], Field(max_length=100)] = Field(
        default=[], description="Other sites whose pages may use it, `https://example.org` or `*`"
    )
    rate: Annotated[float, Field(ge=0.001, le=1e6)] | None = Field(
        None, description="Requests a second from each address"
    )
    burst: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="How many of them at once; null: 10 seconds' worth"
    )
    kinds: Annotated[list[Kind], Field(max_length=len(KINDS))] = Field(default=[], description="Only these are found")
    filters: Annotated[dict[str, Any], Field(json_schema_extra=FILTER_SCHEMA)] | None = None

    def grant(self, now: float) -> Grant:
        """What the key is to grant."""
        return Grant(
            scopes=tuple(dict.fromkeys(self.scopes)),
            expires=None if self.days is None else now + self.days * DAY_S,
            origins=tuple(dict.fromkeys(self.origins)),
            rate=self.rate,
            burst=self.burst,
            within=Boundary(
                kinds=tuple(dict.fromkeys(self.kinds)),
                filters=filters_of(self.filters or {}),
            ),
        )


@router.get("", summary="All keys", responses=answered(KeysAnswer))
def list_keys(service: ServiceOf) -> JsonAnswer:
    """Every key that was not revoked, without its secret; the one of the settings is not among them."""
    return JsonAnswer(KeysAnswer(keys=[KeyAnswer.of(key) for key in service.keystore.read() or ()]))


@router.post("", summary="Create a key", status_code=201, responses=answered(IssuedAnswer, 400, 409, 413, status=201))
def create_key(body: KeyBody, service: ServiceOf) -> Response:
    """The answer has the secret, which is kept nowhere. In force here when this answers, elsewhere within moments."""
    now = time.time()
    issued = issue(service.keystore, body.name, body.grant(now), now=now)
    return _in_force(service, JsonAnswer(IssuedAnswer.of(issued), status_code=201))


@router.post("/{name}/rotate", summary="Give a key another secret", responses=answered(IssuedAnswer, 404))
def rotate_key(
    name: str,
    service: ServiceOf,
    keep_hours: Annotated[float, Query(ge=0, le=8_760, description="For which the secret before stays good")] = 0.0,
) -> Response:
    """The answer has the new secret."""
    issued = rotate(service.keystore, name, now=time.time(), keep_s=keep_hours * HOUR_S)
    return _in_force(service, JsonAnswer(IssuedAnswer.of(issued)))


@router.delete("/{name}", summary="Revoke a key", status_code=204, responses=problems(404))
def revoke_key(name: str, service: ServiceOf) -> Response:
    """It opens nothing any more: here when this answers, elsewhere within moments."""
    revoke(service.keystore, name)
    return _in_force(service, Response(status_code=204))


def _in_force(service: Service, answer: Response) -> Response:
    service.keys.follow(service.keystore.read)
    return answer
