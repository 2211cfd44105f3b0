"""The file in which every exit stands before anyone is told of it."""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would make every fork dearer
    from collections.abc import Iterator
    from typing import Any

    Json = dict[str, Any]


class ExitFile:
    """How tasks ended, one line of JSON each. A torn line is skipped by whoever reads it."""

    def __init__(self) -> None:
        self.lines = 0
        self.descriptor = -1

    def load(self) -> Iterator[Json]:
        try:
            with open("exits", "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return
        for line in content.split(b"\n"):
            try:
                record = json.loads(line)
                if isinstance(record["uuid"], str):
                    yield record
            except (ValueError, KeyError, TypeError):
                continue

    def append(self, record: Json) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            written = os.write(self.descriptor, line)
            if written < len(line):  # the disk is full: end the torn line when it no longer is
                os.write(self.descriptor, b"\n")
        except OSError as problem:
            log(f"cannot write to `exits`: {problem}")
        self.lines += 1

    def keep(self, records: dict[str, Json]) -> None:
        """Forget the others, when that is worth its while."""
        if not records:
            os.ftruncate(self.descriptor, 0)
            self.lines = 0
        elif self.lines > 1000 and self.lines > 4 * len(records):
            self.rewrite(records)

    def rewrite(self, records: dict[str, Json]) -> None:
        write_file("exits", "".join(json.dumps(record) + "\n" for record in records.values()))
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = os.open("exits", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.lines = len(records)


def log(text: str) -> None:
    os.write(2, f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}\n".encode())


def write_file(name: str, text: str) -> None:
    with open(f"{name}.new", "w") as file:
        file.write(text)
    os.rename(f"{name}.new", name)
