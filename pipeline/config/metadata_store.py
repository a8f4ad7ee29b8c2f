"""The `kubeflow.metadata` section: the ML Metadata store of a cluster's runs.

>>> Metadata(postgresql={"host": "db.mlmd.svc", "password_secret": "mlmd"}).server.port
5432
>>> Metadata(sqlite="/mnt/bit/metadata.sqlite").server
"""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from components.section import Section, matching
from pipeline.config.pod import AbsolutePath, Name

PASSWORD = "BIT_METADATA_PASSWORD"
"""The environment variable for the password of the metadata store."""

DatabaseName = Annotated[
    str, matching("[A-Za-z0-9_]{1,64}", "1 to 64 letters, digits and underscores")
]
_NOT_OURS = ("metadb", "mlpipeline", "cachedb", "mysql", "postgres", "template0", "template1")


Host = Annotated[str, Field(min_length=1, description="The address of the server in the cluster.")]
Port = Annotated[int, Field(ge=1, le=65535, description="The port of the server.")]
User = Annotated[str, Field(min_length=1, description="The user of the database.")]
PasswordSecret = Annotated[
    Name | None,
    Field(description="The Secret with the password; null connects without a password."),
]


class DatabaseServer(Section):
    """A database server; the password comes from a Secret."""

    host: Host
    port: Port
    database: DatabaseName = Field(
        "bit",
        description="The database, which is created if it is missing; it must not be one of KFP's, "
        "such as `metadb`.",
    )
    user: User
    password_secret: PasswordSecret
    password_key: str = Field(
        "password", min_length=1, description="The key of the password in the Secret."
    )

    @field_validator("database")
    @classmethod
    def _not_kubeflows_own(cls, database: str) -> str:
        if database.lower() in _NOT_OURS:
            raise ValueError(f"{database} belongs to Kubeflow or to the server; give another name")
        return database


class MysqlMetadata(DatabaseServer):
    """A MySQL or MariaDB server; the defaults are those of KFP's own installation."""

    host: Host = "mysql"
    port: Port = 3306
    user: User = "root"
    password_secret: PasswordSecret = "mysql-secret"


class PostgresqlMetadata(DatabaseServer):
    """A PostgreSQL server; ML Metadata's client speaks no TLS with it."""

    host: Host
    port: Port = 5432
    user: User = "bit"
    password_secret: PasswordSecret = None

    @field_validator("database")
    @classmethod
    def _lower_case(cls, database: str) -> str:
        if database != database.lower():
            raise ValueError(f"PostgreSQL would make {database.lower()} of {database}; write that")
        return database


class Metadata(Section):
    """The ML Metadata store: one of the three."""

    mysql: MysqlMetadata | None = Field(
        MysqlMetadata(), description="A MySQL or MariaDB server, for any cluster."
    )
    postgresql: PostgresqlMetadata | None = Field(
        None, description="A PostgreSQL server, for any cluster."
    )
    sqlite: AbsolutePath | None = Field(
        None,
        description="An SQLite file on a volume, for a cluster of one node; steps then run one at "
        "a time.",
    )

    @model_validator(mode="before")
    @classmethod
    def _another_alone_means_no_mysql(cls, values: object) -> object:
        given = isinstance(values, dict) and "mysql" not in values and values
        if given and (given.get("sqlite") or given.get("postgresql")):
            return {**given, "mysql": None}
        return values

    @model_validator(mode="after")
    def _one_of_them(self) -> Metadata:
        if [self.mysql, self.postgresql, self.sqlite].count(None) != 2:
            raise ValueError("give one of mysql, postgresql and sqlite")
        return self

    @property
    def server(self) -> DatabaseServer | None:
        """The database server, or None for a file."""
        return self.mysql or self.postgresql

    def without_password(self) -> str:
        """As JSON, for `pipeline.run.connection.connection_config`."""
        if self.server is None:
            return json.dumps({"sqlite": self.sqlite})
        kind = "mysql" if self.mysql else "postgresql"
        fields = {"host", "port", "database", "user"}
        return json.dumps({kind: self.server.model_dump(include=fields)})
