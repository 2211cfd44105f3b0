"""Exact quantities of what machines have: cpus and gpus in thousandths, memory and disk in bytes.

The masters' books, the agents' ledgers and the schedulers all count in `Resources`.
GPUs have identities as well as amounts: a request may ask for `ANY_GPU`, and `pick` settles which.
"""

from collections.abc import Iterable, Iterator, Mapping

from .dataclass import dataclass
from .ids import ANY_GPU, GpuId

NAMES = ("cpus", "mem", "disk", "gpus")
"""In the order of `Resources.vector`, where ports come last: those of different agents are not of
one kind.
"""
MILLIS = 1000
"""Thousandths in one cpu or one device."""

PortRange = tuple[int, int]
"""First and last port, both included."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one agent has, an offer holds or a task uses. Never negative.

    `gpus` is sorted (device, thousandths); `ports` is sorted, disjoint and joined.
    """

    cpus: int = 0
    mem: int = 0
    disk: int = 0
    gpus: tuple[tuple[GpuId, int], ...] = ()
    ports: tuple[PortRange, ...] = ()

    @classmethod
    def of(
        cls,
        cpus: float = 0,
        mem: int = 0,
        disk: int = 0,
        gpus: float | Mapping[str, float] = 0,
        ports: Iterable[PortRange] = (),
    ) -> "Resources":
        """In people's units: `Resources.of(cpus=0.5, mem=2**30, gpus=1)`; bare gpus: any device."""
        shares = gpus if isinstance(gpus, Mapping) else ({ANY_GPU: gpus} if gpus else {})
        return cls(
            round(cpus * MILLIS),
            int(mem),
            int(disk),
            tuple(sorted((GpuId(name), round(share * MILLIS)) for name, share in shares.items())),
            _join(ports),
        )

    @property
    def gpu_millis(self) -> int:
        return sum(millis for _, millis in self.gpus) if self.gpus else 0

    @property
    def port_count(self) -> int:
        return sum(last - first + 1 for first, last in self.ports) if self.ports else 0

    @property
    def vector(self) -> tuple[int, int, int, int, int]:
        """Plain amounts, for shares: cpus, mem, disk, gpus, ports."""
        return (self.cpus, self.mem, self.disk, self.gpu_millis, self.port_count)

    def __bool__(self) -> bool:
        return bool(self.cpus or self.mem or self.disk or self.gpus or self.ports)

    def __add__(self, other: "Resources") -> "Resources":
        if other is EMPTY or not other:
            return self
        if self is EMPTY or not self:
            return other
        return Resources(
            self.cpus + other.cpus,
            self.mem + other.mem,
            self.disk + other.disk,
            _merge(self.gpus, other.gpus, 1) if other.gpus else self.gpus,
            _join((*self.ports, *other.ports)) if other.ports else self.ports,
        )

    def __sub__(self, other: "Resources") -> "Resources":
        """What is left; `other` must be contained."""
        if self is other:
            return EMPTY
        if other is EMPTY or not other:
            return self
        if not self.contains(other):
            raise ValueError(f"{other} is not contained in {self}")
        return Resources(
            self.cpus - other.cpus,
            self.mem - other.mem,
            self.disk - other.disk,
            _merge(self.gpus, other.gpus, -1) if other.gpus else self.gpus,
            tuple(_cut(self.ports, other.ports)) if other.ports else self.ports,
        )

    def without(self, other: "Resources") -> "Resources":
        """What is left when as much of `other` as there is has gone; devices and ports by name."""
        if other is EMPTY or self is EMPTY:
            return self
        if self is other:
            return EMPTY
        cpus, mem, disk = self.cpus - other.cpus, self.mem - other.mem, self.disk - other.disk
        return Resources(
            max(0, cpus),
            max(0, mem),
            max(0, disk),
            _less(self.gpus, other.gpus) if self.gpus and other.gpus else self.gpus,
            tuple(_cut(self.ports, other.ports)) if self.ports and other.ports else self.ports,
        )

    def contains(self, other: "Resources") -> bool:
        """Whether `other` (devices named, or any) could be taken out of this."""
        if self.cpus < other.cpus or self.mem < other.mem or self.disk < other.disk:
            return False
        if other.gpus and _assign(self.gpus, other.gpus) is None:
            return False
        return all(any(a <= c and d <= b for a, b in self.ports) for c, d in other.ports)

    def covers(self, other: "Resources") -> bool:
        """Whether the amounts of `other` are all at most ours, whatever the devices and ports."""
        if self.cpus < other.cpus or self.mem < other.mem or self.disk < other.disk:
            return False
        is_enough = not other.gpus or self.gpu_millis >= other.gpu_millis
        return is_enough and (not other.ports or self.port_count >= other.port_count)

    def pick(self, request: "Resources") -> "Resources | None":
        """The request with its devices named, or None if it does not fit."""
        if not self.contains(request):
            return None
        if not request.gpus:
            return request
        gpus = _assign(self.gpus, request.gpus)
        assert gpus is not None
        return Resources(request.cpus, request.mem, request.disk, gpus, request.ports)

    def __str__(self) -> str:
        named = zip(NAMES, self.vector, strict=False)
        parts = [said(name, amount) for name, amount in named if amount]
        parts += [counted(self.port_count, "port")] if self.ports else []
        return ", ".join(parts) or "nothing"


EMPTY = Resources()


def total(parts: Iterable[Resources]) -> Resources:
    """The sum of all parts."""
    return sum(parts, EMPTY)


def said(name: str, amount: int) -> str:
    """`4 cpus`, `8 GiB mem`: so much of the resource with that name."""
    if name in ("cpus", "gpus"):
        return counted(amount / MILLIS, name.removesuffix("s"))
    return f"{format_bytes(amount)} {name}"


def counted(number: float, what: str) -> str:
    """`1 cpu`, `0.5 cpus`."""
    ending = "" if number == 1 else "es" if what.endswith("s") else "s"
    return f"{number:g} {what}{ending}"


def format_bytes(amount: int) -> str:
    """`1536 MiB` reads better than `1610612736`."""
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if amount >= size:
            return f"{amount / size:.1f} {unit}".replace(".0 ", " ")
    return f"{amount} B"


def _merge(
    mine: tuple[tuple[GpuId, int], ...], theirs: tuple[tuple[GpuId, int], ...], sign: int
) -> tuple[tuple[GpuId, int], ...]:
    shares = dict(mine)
    if sign < 0:
        assigned = _assign(mine, theirs)
        assert assigned is not None
        theirs = assigned
    for name, millis in theirs:
        shares[name] = shares.get(name, 0) + sign * millis
    return tuple(sorted((name, millis) for name, millis in shares.items() if millis))


def _less(
    mine: tuple[tuple[GpuId, int], ...], theirs: tuple[tuple[GpuId, int], ...]
) -> tuple[tuple[GpuId, int], ...]:
    taken = dict(theirs)
    left = ((name, millis - taken.get(name, 0)) for name, millis in mine)
    return tuple((name, millis) for name, millis in left if millis > 0)


def _assign(
    free: tuple[tuple[GpuId, int], ...], wanted: tuple[tuple[GpuId, int], ...]
) -> tuple[tuple[GpuId, int], ...] | None:
    """Settle which devices serve a request; None if they do not suffice.

    Whole devices go to `ANY_GPU` in order of name; a fraction goes to the device with the least
    room that still holds it, so that whole devices stay whole.
    """
    left = dict(free)
    got: dict[GpuId, int] = {}
    for name, millis in wanted:
        if name != ANY_GPU or ANY_GPU in left:
            if left.get(name, 0) < millis:
                return None
            left[name] -= millis
            got[name] = got.get(name, 0) + millis
    any_millis = 0 if ANY_GPU in dict(free) else dict(wanted).get(ANY_GPU, 0)
    whole, fraction = divmod(any_millis, MILLIS)
    for _ in range(whole):
        device = next((name for name, millis in left.items() if millis >= MILLIS), None)
        if device is None:
            return None
        left[device] -= MILLIS
        got[device] = got.get(device, 0) + MILLIS
    if fraction:
        room = [(millis, name) for name, millis in left.items() if millis >= fraction]
        if not room:
            return None
        device = min(room)[1]
        got[device] = got.get(device, 0) + fraction
    return tuple(sorted(got.items()))


def _join(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
    joined: list[PortRange] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def _cut(ranges: Iterable[PortRange], holes: Iterable[PortRange]) -> Iterator[PortRange]:
    gaps = sorted(holes)
    for first, last in ranges:
        start = first
        for low, high in gaps:
            if low > last or high < start:
                continue
            if low > start:
                yield (start, low - 1)
            start = high + 1
        if start <= last:
            yield (start, last)
