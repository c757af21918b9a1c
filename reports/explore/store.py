"""The store: what an exploration has found so far, in one SQLite file that survives being killed.

Rows are written as they are found, each in one transaction, under keys that say all they depend on:
so that none is there twice, and none is computed again, for a space of the same grids neither.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.measures import COSTLY, Costly
from models.errors import InputError
from reports.explore.screen import NAMES, Reason, Screened

FORMAT = "puffadder explore 1"
TABLES = (
    "CREATE TABLE about (format TEXT, version TEXT)",
    "CREATE TABLE computed (grid TEXT, piece TEXT, rules TEXT, records BLOB,"
    " PRIMARY KEY (grid, piece))",
    "CREATE TABLE screened (plan TEXT, grid INTEGER, piece TEXT, reasons TEXT, counts TEXT,"
    " codes BLOB, front BLOB, front_values BLOB, sample BLOB, sample_codes BLOB,"
    " sample_values BLOB, PRIMARY KEY (plan, grid, piece))",
    "CREATE TABLE points (stage TEXT, key TEXT, found TEXT, PRIMARY KEY (stage, key))",
)


class Store:
    """Results in a file. `computed` are records of a piece of a grid, whatever counts; `screened`
    what became of the piece in a plan; `points` what a stage found about one design.
    """

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self.path = path
        self._database = database

    def screened(self, plan: str) -> Iterator[tuple[int, str, Screened]]:
        """Grid, piece and what became of it, of all pieces of a plan, in order."""
        rows = self._database.execute(
            "SELECT grid, piece, reasons, counts, codes, front, front_values, sample, sample_codes,"
            " sample_values FROM screened WHERE plan = ? ORDER BY grid, piece", (plan,)
        )  # fmt: skip
        for grid, piece, reasons, counts, codes, *arrays in rows:
            front, front_values, sample, sample_codes, sample_values = arrays
            yield grid, piece, Screened(
                reasons=[Reason(*each) for each in json.loads(reasons)],
                codes=codes,
                front=np.frombuffer(front, np.int64),
                front_values=np.frombuffer(front_values).reshape(-1, len(NAMES)),
                sample=np.frombuffer(sample, np.int64),
                sample_codes=np.frombuffer(sample_codes, np.uint16),
                sample_values=np.frombuffer(sample_values).reshape(-1, len(NAMES)),
                counts=json.loads(counts),
                kept=b"",
                rules=(),
            )  # fmt: skip

    def pieces(self, plan: str) -> set[tuple[int, str]]:
        """Grid and piece of those that a plan is done with."""
        rows = self._database.execute("SELECT grid, piece FROM screened WHERE plan = ?", (plan,))
        return set(rows)

    def computed(self, grid: str, piece: str) -> Costly | None:
        """What was computed of a piece before, for any plan."""
        row = self._database.execute(
            "SELECT rules, records FROM computed WHERE grid = ? AND piece = ?", (grid, piece)
        ).fetchone()
        if row is None:
            return None
        table = np.frombuffer(zlib.decompress(row[1]), COSTLY)
        return Costly(table, tuple(json.loads(row[0])))

    def add(self, plan: str, grid: int, grid_key: str, piece: str, found: Screened) -> None:
        """A piece that is done, whole or not at all."""
        with self._transaction():
            if found.kept:
                self._database.execute(
                    "INSERT OR IGNORE INTO computed VALUES (?, ?, ?, ?)",
                    (grid_key, piece, json.dumps(found.rules), found.kept),
                )
            arrays = (found.front, found.front_values, found.sample, found.sample_codes,
                      found.sample_values)  # fmt: skip
            self._database.execute(
                "INSERT OR IGNORE INTO screened VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (plan, grid, piece, json.dumps(found.reasons), json.dumps(found.counts),
                 found.codes, *(array.tobytes() for array in arrays)),
            )  # fmt: skip

    def point(self, stage: str, key: str) -> Any:
        """What a stage found about a design, or None when it was never asked."""
        row = self._database.execute(
            "SELECT found FROM points WHERE stage = ? AND key = ?", (stage, key)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def add_point(self, stage: str, key: str, found: Any) -> None:
        with self._transaction():
            self._database.execute(
                "INSERT OR IGNORE INTO points VALUES (?, ?, ?)", (stage, key, json.dumps(found))
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


@contextmanager
def open_store(path: Path, version: str) -> Iterator[Store]:
    """The store in the file `path`, made when there is none.

    Raises InputError, and leaves the file as it is, when it holds something else or what another
    version of puffadder found.
    """
    try:
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:
            _prepare(database, path, version)
            yield Store(path, database)
    except sqlite3.DatabaseError as error:
        rule = f"must be a results file that can be read, not one with an error: {error}"
        raise InputError(f"{path}", rule, "name another folder with --out") from None


def _prepare(database: sqlite3.Connection, path: Path, version: str) -> None:
    if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("BEGIN IMMEDIATE")
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for table in TABLES:
                database.execute(table)
            database.execute("INSERT INTO about VALUES (?, ?)", (FORMAT, version))
        database.execute("COMMIT")
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    found = (
        database.execute("SELECT format, version FROM about").fetchone()
        if "about" in tables
        else None
    )
    if found != (FORMAT, version):
        told = "something else" if found is None else f"those of {found[0]}, version {found[1]}"
        raise InputError(
            f"{path}",
            f"must have results of {FORMAT}, version {version}, not {told}",
            "name another folder with --out, or take the file away",
        )
    database.execute("PRAGMA synchronous = NORMAL")
