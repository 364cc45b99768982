"""Who acts in a request to the admin API, and what its conditions are: the actor, `If-Match`, `Idempotency-Key`."""

from __future__ import annotations

import re
from typing import Annotated, Final, NoReturn

from fastapi import Depends, Header, Request, Response, params
from pydantic import BaseModel

from weighbridge.auth.permissions import Actor, Permission
from weighbridge.control.admin_errors import PreconditionRequiredError
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.storage.errors import ChangedMeanwhileError
from weighbridge.storage.transactions import Act, once_of

_ETAG: Final = re.compile(r'"([1-9][0-9]{0,8})"')
_MIN_KEY: Final = 16
_MAX_KEY: Final = 255


def actor_of(request: Request) -> Actor:
    """Whom `AdminGate` has let in."""
    actor = request.state.actor
    if not isinstance(actor, Actor):
        raise TypeError("AdminGate lets nobody in without saying who it is")
    return actor


Acting = Annotated[Actor, Depends(actor_of)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=_MIN_KEY,
        max_length=_MAX_KEY,
        pattern=r"^[!-~]+$",
        description="Of your choice, a UUID say: the same create sent again within a day makes nothing more.",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=100, description="The `ETag` of what is to be changed, or `*` for whatever is there."),
]


def needs(permission: Permission) -> params.Depends:
    """A dependency for routes that one permission opens whatever they are about."""

    def check(actor: Acting) -> None:
        actor.require(permission)

    return params.Depends(check)


def act_of(request: Request, actor: Actor, idempotency_key: str | None = None, asked: BaseModel | None = None) -> Act:
    """On whose account a change is made; a create also says what was `asked` under which key."""
    address = request.client.host if request.client is not None else ""
    if idempotency_key is None or asked is None:
        return Act(actor.name, address)
    # Without what is secret: what is kept of a request is a fast hash, which would help whoever guesses.
    body = encode_json(asked.model_dump(mode="json", exclude_unset=True, exclude={"password", "secret"}))
    return Act(actor.name, address, once_of(actor.name, idempotency_key, f"{request.url.path}\n".encode() + body))


def expected_version(if_match: str | None, *, is_required: bool) -> int | None:
    """The version that `If-Match` names; None for any. Raises what ends in 428 where it is missing, in 412 where it names none."""
    if if_match is None:
        if is_required:
            raise PreconditionRequiredError
        return None
    if if_match.strip() == "*":
        return None
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise ChangedMeanwhileError("this is no ETag of ours: look at it again, then change what is there")
    return int(found[1])


def tell_version(response: Response, version: int) -> None:
    """Put a version into the answer as its `ETag`."""
    response.headers["etag"] = f'"{version}"'


def refuse(message: str, param: str | None = None) -> NoReturn:
    """A 400 for a value that the store did not take."""
    raise GatewayError(ErrorKind.INVALID_REQUEST, message, param=param, code="invalid_field")
