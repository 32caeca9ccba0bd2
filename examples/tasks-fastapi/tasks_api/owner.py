"""Whose tasks a request is about."""

from typing import Annotated

from fastapi import Depends
from sallyport_verifier.fastapi import User, get_current_user

from .problems import Problem


async def get_owner(user_id: str, user: Annotated[User, Depends(get_current_user)]) -> str:
    """The user of the token, if the path names the same: 401 for the token comes before 403 for the path."""
    if user_id != user.sub:
        raise Problem("user_mismatch")
    return user_id


Owner = Annotated[str, Depends(get_owner)]
