"""Files of records: every start and every exit stands in one before anyone is told of it."""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Collection
    from typing import Any

    Json = dict[str, Any]


class RecordFile:
    """Lines of JSON, each about a launch. A torn line is skipped by whoever reads it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines = 0
        self.descriptor = -1

    def load(self) -> dict[str, Json]:
        records: dict[str, Json] = {}
        try:
            with open(self.name, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return records
        for line in content.split(b"\n"):
            try:
                record = json.loads(line)
                records[record["uuid"]] = record
            except (ValueError, KeyError, TypeError):
                continue
        return records

    def append(self, record: Json) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            written = os.write(self.descriptor, line)
            if written < len(line):  # the disk is full: end the torn line when it no longer is
                os.write(self.descriptor, b"\n")
        except OSError as problem:
            log(f"cannot write to {self.name}: {problem}")
        self.lines += 1

    def keep(self, records: Collection[Json]) -> None:
        """Forget the others, when that is worth its while."""
        if not records and self.lines:
            os.ftruncate(self.descriptor, 0)
            self.lines = 0
        elif self.lines > 1000 and self.lines > 4 * len(records):
            self.rewrite(records)

    def rewrite(self, records: Collection[Json]) -> None:
        write_file(self.name, "".join(json.dumps(record) + "\n" for record in records))
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = os.open(self.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lines = len(records)


def log(text: str) -> None:
    os.write(2, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n".encode())


def write_file(name: str, text: str) -> None:
    with open(f"{name}.new", "w") as file:
        file.write(text)
    os.rename(f"{name}.new", name)
