"""What people type for quantities: `0.5`, `8GB`, `7d`, `fake:4`, `KEY=VALUE`, or plain text.

Each parser is exact and raises ValueError with a line that shows how to write it; the click types
at the end make flags of them.
"""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # `run` reads a few quantities and needs to start quickly
    from fairlead.common.resources import Resources

MILLIS = 1000
MAX_BYTES = 2**56
MAX_CPUS = 1_000_000
_BINARY = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_BYTES = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?:([KMGTP]?)(I?)(B?))", re.IGNORECASE)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([smhd])", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_S = 100 * 366 * 86400
_GPUS = re.compile(r"fake:([0-9]{1,4})")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def parse_millis(text: str) -> int:
    """Thousandths of a cpu: `2`, `0.5`, and `500m` for those who are used to it."""
    plain = text.strip()
    scale = 1 if plain.endswith("m") else MILLIS
    try:
        value = Decimal(plain.removesuffix("m")) * scale
        millis = int(value)
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a number of cpus; write 2 or 0.5") from None
    if value != millis:
        raise ValueError(f"{text!r} is finer than a thousandth; write 0.001 or more")
    if not 0 < millis <= MAX_CPUS * MILLIS:
        raise ValueError(f"{text!r} is not between 0.001 and a million; write 2 or 0.5")
    return millis


def parse_bytes(text: str) -> int:
    """`8GB` is decimal, `512MiB` and the short `512M` are binary; a bare number says too little."""
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an amount of memory; write 512MiB or 8GB")
    number, prefix, binary, byte = match.groups()
    if not Decimal(number):
        raise ValueError(f"{text!r} is not between 1 byte and 64 PiB; write 512MiB or 8GB")
    if not prefix and not byte:
        raise ValueError(f"{text!r} of what? Write {number}MiB or {number}GB")
    if binary and not prefix:
        raise ValueError(f"{text!r} is not an amount of memory; write 512MiB or 8GB")
    base = 1000 if byte and not binary else 1024
    value = Decimal(number) * base ** _BINARY[prefix.upper()]
    if not 1 <= value <= MAX_BYTES:
        raise ValueError(f"{text!r} is not between 1 byte and 64 PiB")
    return int(value)


def parse_duration(text: str) -> float:
    """`7d`, `12h`, `30m`, `90s`, in seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a length of time; write 7d, 12h, 30m or 90s")
    seconds = float(match[1]) * _SECONDS[match[2].lower()]
    if seconds > MAX_S:
        raise ValueError(f"{text!r} is more than a hundred years")
    return seconds


def parse_gpu_millis(text: str) -> int:
    """What a task asks for, in thousandths: whole devices, or a part of one."""
    try:
        millis = parse_millis("" if text.endswith("m") else text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number of gpus; write 1, 2 or 0.5") from None
    if millis > MILLIS and millis % MILLIS:
        raise ValueError(f"{text!r}: a part of a gpu cannot be had beside whole ones; write 1 or 2")
    return millis


def parse_gpu_source(text: str) -> str:
    """Which GPUs an agent offers: `auto` (real ones, if any), `nvml`, `none`, `fake:4`."""
    plain = text.strip().lower()
    if plain in {"auto", "nvml", "none"}:
        return plain
    match = _GPUS.fullmatch(plain)
    if match is None:
        raise ValueError(f"{text!r} is not a choice of gpus; write auto, none or fake:4")
    return f"fake:{int(match.group(1))}"


def parse_pairs(
    texts: Iterable[str], environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """`KEY=VALUE`; with an environment a bare `KEY` takes its value from there."""
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not _WORD.fullmatch(key):
            raise ValueError(f"{text!r} is not KEY=VALUE")
        if not equals:
            if environment is None:
                raise ValueError(f"{text!r} has no value; write {key}=VALUE")
            if key not in environment:
                raise ValueError(f"{key} is not set here; write {key}=VALUE")
            value = environment[key]
        if not _is_text(value):
            raise ValueError(f"the value of {key} is not UTF-8")
        pairs[key] = value
    return pairs


def parse_resources(text: str) -> "Resources":
    """`cpus=0.5,mem=512MiB,disk=1GB,gpus=1`, each at most once."""
    from fairlead.common.resources import Resources

    amounts = {name: _AMOUNTS[name](amount) for name, amount in _parts(text)}
    cpus, gpus = amounts.get("cpus", 0), amounts.get("gpus", 0)
    return Resources.of(
        cpus / MILLIS, amounts.get("mem", 0), amounts.get("disk", 0), gpus=gpus / MILLIS
    )


def parse_reserve(text: str) -> tuple[str, "Resources"]:
    """What an agent keeps for a role: `ROLE:cpus=4,mem=8GiB`."""
    from fairlead.common.roles import bad_role

    role, colon, amounts = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} names no role; write ROLE:cpus=4,mem=8GiB")
    if trouble := bad_role(role):
        raise ValueError(f"the role {trouble}")
    resources = parse_resources(amounts)
    if resources.gpu_millis % MILLIS:
        raise ValueError(f"{text!r}: whole gpus are reserved, and no parts of them")
    return role, resources


def or_nothing(parse: Callable[[str], int]) -> Callable[[str], int]:
    """The same parser, for what may also be 0."""
    return lambda text: 0 if _NOTHING.fullmatch(text) else parse(text)


def parse_amounts(text: str) -> dict[str, int]:
    """The same, in thousandths and bytes; here 0 says something."""
    return {
        name: 0 if _NOTHING.fullmatch(amount) else _AMOUNTS[name](amount)
        for name, amount in _parts(text)
    }


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Names of resources and what stands behind them."""
    names = []
    for part in text.split(","):
        name, _, amount = part.strip().partition("=")
        if name not in _AMOUNTS:
            raise ValueError(f"{text!r} is no amount of resources; write cpus=0.5,mem=512MiB")
        if name in names:
            raise ValueError(f"{text!r} says twice how much {name}")
        names.append(name)
        yield name, amount


_AMOUNTS: Mapping[str, Callable[[str], int]] = {
    "cpus": parse_millis,
    "mem": parse_bytes,
    "disk": parse_bytes,
    "gpus": parse_gpu_millis,
}
_NOTHING = re.compile("0+[KMGTPiB]*")


def parse_text(text: str) -> str:
    """What goes to the cluster: bytes that are not UTF-8 cannot be said there."""
    if not _is_text(text):
        raise ValueError(f"{text!r} is not UTF-8")
    return text


def _is_text(text: str) -> bool:
    """Python keeps bytes of the command line and the environment that are not, as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- click types


class Quantity(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.2 only
    """A flag whose value one of the parsers reads."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Number(click.FloatRange):
    """As click's own, but `nan`, which is in no range, is no number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a valid number", param, ctx)
        return number


TEXT = Quantity("TEXT", parse_text)
CPUS = Quantity("CPUS", parse_millis)
BYTES = Quantity("BYTES", parse_bytes)
RESERVE = Quantity("ROLE:NAME=AMOUNT,…", parse_reserve)
AMOUNTS = Quantity("NAME=AMOUNT,…", parse_amounts)
DURATION = Quantity("DURATION", parse_duration)
GPUS = Quantity("GPUS", parse_gpu_millis)
RESOURCES = Quantity("RESOURCES", parse_resources)
GPU_SOURCE = Quantity("auto|none|fake:N", parse_gpu_source)


def read_attributes(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    """A click callback for repeated `KEY=VALUE`."""
    return _read_pairs(ctx, param, value, None)


def read_environment(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, str]:
    """The same, where a bare `KEY` is taken from the caller's environment."""
    return _read_pairs(ctx, param, value, os.environ)


def _read_pairs(
    ctx: click.Context,
    param: click.Parameter,
    texts: tuple[str, ...],
    environment: Mapping[str, str] | None,
) -> dict[str, str]:
    try:
        return parse_pairs(texts, environment)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx=ctx, param=param) from None
