"""Files of records: every start and every exit stands in one before anyone is told of it.

Each line begins with its checksum: a byte that a disk has changed costs that record, whose end is
then unknown, and never makes another of it.
"""

from __future__ import annotations

import json
import os
import time
from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Collection
    from typing import Any

    Json = dict[str, Any]


class RecordFile:
    """Lines of JSON, each about a launch. A damaged line is skipped by whoever reads it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines = 0
        self.descriptor = -1
        self.is_torn = False
        self.is_failing = False

    def load(self) -> dict[str, Json]:
        records: dict[str, Json] = {}
        try:
            with open(self.name, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return records
        for line in content.split(b"\n"):
            checksum, _, text = line.partition(b" ")
            if text and checksum == checksum_of(text):
                record = json.loads(text)
                records[record["uuid"]] = record
        return records

    def begin(self, records: Collection[Json]) -> None:
        """Of what was loaded only these; all of it, where the disk has no room for a new file."""
        try:
            self.rewrite(records)
        except OSError as problem:
            self.descriptor = os.open(self.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self.lines = 1 + len(records)
            self.is_torn = True
            self.complain(os.strerror(problem.errno or 0))

    def append(self, record: Json) -> bool:
        """Whether it stands there now; if not, whoever calls tries again."""
        line = as_line(record)
        if self.is_torn:
            line = b"\n" + line
        try:
            written = os.write(self.descriptor, line)
        except OSError as problem:
            self.complain(os.strerror(problem.errno or 0))
            return False
        if written < len(line):
            self.is_torn = True
            self.complain("there is no room")
            return False
        self.is_torn = self.is_failing = False
        self.lines += 1
        return True

    def complain(self, problem: str) -> None:
        """Once, not at every attempt."""
        if not self.is_failing:
            log(f"cannot write to {self.name}: {problem}; trying again until it can be done")
        self.is_failing = True

    def keep(self, records: Collection[Json]) -> None:
        """Forget the others, when that is worth its while."""
        try:
            if not records and self.lines:
                os.ftruncate(self.descriptor, 0)
                self.lines = 0
                self.is_torn = False
            elif self.lines > 1000 and self.lines > 4 * len(records):
                self.rewrite(records)
        except OSError as problem:  # too long does no harm
            self.complain(os.strerror(problem.errno or 0))

    def rewrite(self, records: Collection[Json]) -> None:
        with open(f"{self.name}.new", "wb") as file:
            file.writelines(map(as_line, records))
        os.rename(f"{self.name}.new", self.name)
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = os.open(self.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lines = len(records)
        self.is_torn = False


def as_line(record: Json) -> bytes:
    text = json.dumps(record).encode()
    return checksum_of(text) + b" " + text + b"\n"


def checksum_of(text: bytes) -> bytes:
    return b"%08x" % crc32(text)


def log(text: str) -> None:
    try:
        os.write(2, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n".encode())
    except OSError:  # the disk of the log is full, which must not end us
        return
