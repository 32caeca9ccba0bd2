"""Tasks in PostgreSQL. Every statement names the user."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Text, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

#: Bounds the list of a user.
TASKS_PER_USER = 500


class Base(DeclarativeBase):
    """The tables of the service."""


class Task(Base):
    """A task of a user."""

    __tablename__ = "tasks"
    __table_args__ = (Index("tasks_of_user", "user_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    user_id: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    completed: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())


class TaskStore:
    """The tasks of all users."""

    def __init__(self, database_url: str) -> None:
        """:param database_url: ``postgresql://user:password@host:5432/database``"""
        url = make_url(database_url).set(drivername="postgresql+psycopg")
        options = {"options": "-c statement_timeout=2000 -c timezone=UTC", "connect_timeout": 2}
        self._engine = create_async_engine(
            url, pool_size=10, max_overflow=0, pool_timeout=2, pool_pre_ping=True, connect_args=options
        )
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def open(self) -> None:
        """Creates the table if it is missing."""
        async with self._engine.begin() as connection:
            # Services that start at once take turns.
            await connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("tasks", 0))))
            await connection.run_sync(Base.metadata.create_all)

    async def close(self) -> None:
        """Closes its connections."""
        await self._engine.dispose()

    async def list(self, user_id: str) -> list[Task]:
        """The tasks of a user, oldest first."""
        async with self._sessions() as session:
            tasks = select(Task).where(Task.user_id == user_id).order_by(Task.created_at, Task.id)
            return [*await session.scalars(tasks)]

    async def create(self, user_id: str, title: str, description: str | None) -> Task | None:
        """The new task. None if the user has too many."""
        async with self._sessions.begin() as session:
            # One at a time for each user, so that no two requests pass the limit together.
            await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(user_id, 0))))
            count = await session.scalar(select(func.count()).select_from(Task).where(Task.user_id == user_id))
            if (count or 0) >= TASKS_PER_USER:
                return None
            task = Task(user_id=user_id, title=title, description=description)
            session.add(task)
            await session.flush()
            await session.refresh(task)
            return task

    async def update(self, user_id: str, task_id: UUID, changes: dict[str, object]) -> Task | None:
        """The changed task. None if the user has no such task."""
        async with self._sessions.begin() as session:
            of_user = (Task.id == task_id, Task.user_id == user_id)
            changed = update(Task).where(*of_user).values(**changes, updated_at=func.now()).returning(Task)
            return (await session.scalars(changed)).one_or_none()

    async def remove(self, user_id: str, task_id: UUID) -> bool:
        """False if the user has no such task."""
        async with self._sessions.begin() as session:
            gone = delete(Task).where(Task.id == task_id, Task.user_id == user_id).returning(Task.id)
            return (await session.scalars(gone)).one_or_none() is not None
