"""The routes."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import Response
from sallyport_verifier import AsyncVerifier
from sallyport_verifier.fastapi import protect

from .bodies import NewTask, TaskChanges, TaskView, body_of
from .owner import Owner
from .problems import Problem, handle_problems
from .settings import Settings
from .tasks import Task, TaskStore

_TASK_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def get_task_id(task_id: str, _owner: Owner) -> UUID:
    """Another user's task does not exist under this path, and neither does an id that is none."""
    if _TASK_ID.fullmatch(task_id) is None:
        raise Problem("task_unknown")
    return UUID(task_id)


TaskId = Annotated[UUID, Depends(get_task_id)]


def create_app(settings: Settings, verifier: AsyncVerifier | None = None) -> FastAPI:
    """Creates the application.

    :param verifier: in place of that of the settings, for tests
    """
    tasks = TaskStore(settings.database_url)
    verify = verifier or AsyncVerifier(**settings.verifier)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await tasks.open()
        yield
        verify.close()
        await tasks.close()

    app = FastAPI(title="Tasks", lifespan=lifespan, redirect_slashes=False)
    protect(app, verify, origin=settings.public_url)
    handle_problems(app)

    @app.middleware("http")
    async def forbid_storing(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        response.headers["cache-control"] = "no-store"
        return response

    # Tokens come in a header that pages set themselves, so no cookies are allowed.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["authorization", "content-type", "dpop"],
    )

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/api/{user_id}/tasks", response_model=list[TaskView])
    async def list_tasks(owner: Owner) -> list[Task]:
        return await tasks.list(owner)

    @app.post("/api/{user_id}/tasks", status_code=201, response_model=TaskView)
    async def create_task(owner: Owner, task: Annotated[NewTask, Depends(body_of(NewTask))]) -> Task:
        created = await tasks.create(owner, task.title, task.description)
        if created is None:
            raise Problem("task_limit_reached")
        return created

    @app.put("/api/{user_id}/tasks/{task_id}", response_model=TaskView)
    async def update_task(
        owner: Owner, changes: Annotated[TaskChanges, Depends(body_of(TaskChanges))], task_id: TaskId
    ) -> Task:
        task = await tasks.update(owner, task_id, changes.model_dump(exclude_unset=True))
        if task is None:
            raise Problem("task_unknown")
        return task

    @app.delete("/api/{user_id}/tasks/{task_id}", status_code=204)
    async def delete_task(owner: Owner, task_id: TaskId) -> None:
        if not await tasks.remove(owner, task_id):
            raise Problem("task_unknown")

    return app
