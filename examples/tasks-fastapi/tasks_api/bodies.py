"""The bodies of requests and responses."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from .owner import get_owner
from .problems import Problem

_BODY_LIMIT_BYTES = 16_384

#: Without NUL, which PostgreSQL cannot store.
_Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
_Description = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class NewTask(_Body):
    """What a user sends to create a task."""

    title: _Title
    description: _Description | None = None


class TaskChanges(_Body):
    """What a user sends to change a task. Only a description can be null."""

    title: _Title = ""
    description: _Description | None = None
    completed: bool = False

    @model_validator(mode="after")
    def _has_a_member(self) -> "TaskChanges":
        if not self.model_fields_set:
            raise ValueError("no member")
        return self


class TaskView(BaseModel):
    """A task as it is sent."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    user_id: str
    title: str
    description: str | None
    completed: bool
    created_at: datetime
    updated_at: datetime


_Model = TypeVar("_Model", bound=BaseModel)


def body_of(model: type[_Model]) -> Callable[..., Awaitable[_Model]]:
    """A dependency that reads the body once token and path are accepted; FastAPI itself would read it before."""

    async def read_body(request: Request, _owner: Annotated[str, Depends(get_owner)]) -> _Model:
        kind, *parameters = request.headers.get("content-type", "").lower().split(";")
        if kind.strip() != "application/json" or not all("utf-8" in word for word in parameters if "charset" in word):
            raise Problem("content_type_unsupported")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _BODY_LIMIT_BYTES:
                raise Problem("body_too_large")
        try:
            return model.model_validate_json(bytes(body))
        except ValidationError as err:
            is_json = all(error["type"] != "json_invalid" for error in err.errors())
            raise Problem("request_invalid" if is_json else "body_malformed") from None

    return read_body
