"""Databases of the read model, in SQLite and in PostgreSQL, and an object store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url

from surfaces.read_model.database import Database, PostgresDatabase, SqliteDatabase
from surfaces.read_model.model import SqlReadModel
from tests.postgres_server import find_postgres
from tests.read_models import RECORDS, store_in, write
from tests.s3_server import S3Server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Yield a local S3."""
    server = S3Server()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def postgres_first(request: pytest.FixtureRequest) -> None:
    """Start PostgreSQL, if there is one, before the first test of a module, so that none seems to leave it behind."""
    if find_postgres() is not None:
        request.getfixturevalue("postgres")


def new_database(kind: str, request: pytest.FixtureRequest, folder: Path) -> Database:
    if kind == "sqlite":
        return SqliteDatabase(folder / "console.sqlite")
    return PostgresDatabase(make_url(request.getfixturevalue("postgres").new_database()), "sop_console")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Yield an empty database."""
    database = new_database(request.param, request, tmp_path)
    yield database
    database.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Yield a database with all records, for tests that only ask."""
    database = new_database(request.param, request, tmp_path_factory.mktemp("filled"))
    write(store_in(database), RECORDS)
    database.writer.dispose()
    yield database
    database.close()


@pytest.fixture
def model(filled: Database) -> Iterator[SqlReadModel]:
    yield SqlReadModel(filled)
    filled.reader.dispose()
