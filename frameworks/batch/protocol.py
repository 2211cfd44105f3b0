"""What the service, the drivers and the workers say to one another: the kinds of frame.

| from → to        | kind        | fields                                              |
|------------------|-------------|-----------------------------------------------------|
| worker → service | HELLO       | version, size, leases: how many it has had,         |
|                  |             | job: whose lease runs now, or null                  |
| service → worker | PING        | are you there?                                      |
|                  | LEASE       | job, number, address, key: dial this driver         |
|                  | END         | end the running lease                               |
|                  | EXIT        | you are not needed any more                         |
| worker → service | PONG        |                                                     |
|                  | ENDED       | job, number, exit: the fields of `Exit`             |
| driver → service | HELLO       | version, python, size, max_workers, wants, address, |
|                  |             | key: of the job                                     |
|                  | WANTS       | count: workers it could use now                     |
| service → driver | WELCOME     |                                                     |
|                  | REFUSED     | message                                             |
|                  | GIVE_BACK   | count: give so many workers back, others wait       |
|                  | ENDED       | worker, number, exit                                |
|                  | UNAVAILABLE | message: no agent can hold such a worker            |
| driver → service | RECALL      | worker, number, upto, kill: a sequence or null;     |
|                  |             | passed on to the worker                             |
| worker → service | RECALLED    | worker, number, first, upto, kill; passed on to the |
|                  |             | driver (an ENDED answers, too)                      |
| driver → child   | WELCOME     | paths: where the driver imports from                |
|                  | CALLS       | functions: [[digest, is new]], forget: [digest],    |
|                  |             | calls: [[sequence, index of function]],             |
|                  |             | timed: [sequence];                                  |
|                  |             | buffers: new functions, then arguments              |
|                  | CODE        | set: digest of the code that the next calls use,    |
|                  |             | files: [[path, digest, is executable]] or null if   |
|                  |             | this child knows the set, forget: [set]             |
|                  | FILES       | digests; buffers: the files                         |
| child → driver   | MISSING     | set, digests: answers a CODE with files             |
|                  | RESULT      | sequence, seconds, ok; buffer: value or error       |
|                  | SKIPPED     | sequence: recalled, so it did not run               |
|                  | STARTED     | sequence: of a timed one, which now begins          |

A worker's child dials the driver as `worker#number`, the number counting that worker's leases.
A call's sequence counts the calls sent on one such connection.
"""

import socket
from enum import StrEnum

VERSION = 1


class Kind(StrEnum):
    """The word that opens a frame."""

    HELLO = "hello"
    WELCOME = "welcome"
    REFUSED = "refused"
    PING = "ping"
    PONG = "pong"
    LEASE = "lease"
    END = "end"
    EXIT = "exit"
    ENDED = "ended"
    WANTS = "wants"
    GIVE_BACK = "give back"
    UNAVAILABLE = "unavailable"
    RECALL = "recall"
    RECALLED = "recalled"
    CODE = "code"
    MISSING = "missing"
    FILES = "files"
    CALLS = "calls"
    RESULT = "result"
    SKIPPED = "skipped"
    STARTED = "started"


DRIVER = "driver:"
WORKER = "worker:"
"""What an identity shown to the service begins with."""


def connection_name(worker: str, number: int) -> str:
    """How a worker's child introduces itself to the driver of its lease."""
    return f"{worker}#{number}"


def split_connection_name(name: str) -> tuple[str, int]:
    worker, _, number = name.rpartition("#")
    return worker, int(number)


def split_address(address: str) -> tuple[str, int]:
    """`127.0.0.1:5050` as (host, port)."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{address!r} is not an address of the form host:port")
    return host, int(port)


def host_towards(address: str) -> str:
    """The address of this machine from which that one is reached; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(split_address(address))
        host: str = probe.getsockname()[0]
        return host
