"""Finds the cluster that a verb is about, and asks its master and agents; blocking, one call each.

`--master` wins over FAIRLEAD_MASTER, and that over the leader that the home tells of. The token is
always the home's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from fairlead.common import rpc
from fairlead.common.client import SyncClient, connect_sync
from fairlead.common.dataclass import dataclass
from fairlead.common.errors import FairleadError, UnauthenticatedError, UnavailableError
from fairlead.common.home import Home
from fairlead.common.messages import Code
from fairlead.common.operators import (
    LogChunk,
    LogQuery,
    OfferEvents,
    OffersQuery,
    OperatorBody,
    OperatorCall,
    OperatorReply,
    StateQuery,
    StateReply,
)
from fairlead.common.rpc import CallMethod

Request = TypeVar("Request")
Reply = TypeVar("Reply")
CALL_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the master is, and the secret that it wants to hear."""

    home: Home
    address: str
    token: str
    is_named: bool = False
    """By the caller; else found through the home."""


def locate(home: Home, master: str = "") -> Place:
    """The cluster that `--master` names, or the one whose home this is."""
    if master:
        return Place(home, master, _token(home, master), is_named=True)
    leader = home.read_leader()
    if leader is None:
        raise UnavailableError(
            f"no cluster runs in {home.path}",
            hint="start one: fairlead up; or name one: --master HOST:PORT, --home DIR",
        )
    return Place(home, leader.address, _token(home, leader.address))


def _token(home: Home, address: str) -> str:
    if not home.token_path.exists():
        raise UnauthenticatedError(
            f"there is no token in {home.path} to show to the master at {address}",
            hint="name the home of that cluster, --home DIR, or its certificates, --tls DIR",
        )
    return home.token()


class Client:
    """Calls to one cluster. Raises FairleadErrors only, each with what to do next."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._connections: dict[str, SyncClient] = {}

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def state(self, at_least: int = 0, timeout_s: float = CALL_S) -> StateReply:
        """The whole state, no older than that version."""
        return self.ask(self.place.address, rpc.GET_STATE, StateQuery(at_least), timeout_s)

    def begin_state(self) -> Callable[[], StateReply]:
        """The same, for who has something else to do until the answer is there."""
        return self._begin(self.place.address, rpc.GET_STATE, StateQuery(), CALL_S)

    def watch(self) -> Iterator[StateReply]:
        """The whole state, then what changes, for as long as somebody reads."""
        return self._stream(rpc.WATCH_STATE, StateQuery(), self.place.address)

    def watch_offers(self, query: OffersQuery) -> Iterator[OfferEvents]:
        """What became of offers, and if it says so what comes."""
        return self._stream(rpc.WATCH_OFFERS, query, self.place.address)

    def operate(self, body: OperatorBody) -> OperatorReply:
        """An order; a refusal is raised."""
        reply = self.ask(self.place.address, rpc.OPERATE, OperatorCall(body))
        if reply.result.code is not Code.OK:
            error = FairleadError(reply.result.message or reply.result.code.name)
            error.code = reply.result.code
            raise error
        return reply

    def read_log(self, agent_address: str, query: LogQuery) -> Iterator[LogChunk]:
        """The bytes of a log; of a followed one until its task has ended."""
        return self._stream(rpc.READ_LOG, query, agent_address)

    def ask(
        self,
        address: str,
        method: CallMethod[Request, Reply],
        request: Request,
        timeout_s: float = CALL_S,
    ) -> Reply:
        """One question to whoever listens there."""
        return self._begin(address, method, request, timeout_s)()

    def _begin(
        self,
        address: str,
        method: CallMethod[Request, Reply],
        request: Request,
        timeout_s: float,
    ) -> Callable[[], Reply]:
        asked = self._connection(address).begin(method, request, timeout_s)

        def answer() -> Reply:
            try:
                return asked()
            except FairleadError as error:
                raise explain(error, self.place, address) from error

        return answer

    def _stream(
        self, method: CallMethod[Request, Reply], request: Request, address: str
    ) -> Iterator[Reply]:
        try:
            yield from self._connection(address).stream(method, request)
        except FairleadError as error:
            raise explain(error, self.place, address) from error

    def _connection(self, address: str) -> SyncClient:
        if address not in self._connections:
            place = self.place
            self._connections[address] = connect_sync(address, place.token, place.home.tls)
        return self._connections[address]


def explain(error: FairleadError, place: Place, address: str) -> FairleadError:
    """The same error in the words of whoever typed the verb."""
    if isinstance(error, UnauthenticatedError):
        return UnauthenticatedError(
            f"the token was refused by {address}",
            hint=f"it is that of {place.home.path}; name the cluster's own home: --home DIR",
        )
    if isinstance(error, UnavailableError):
        hint = "whoever was there may be starting again; try once more, or see: fairlead status"
        if address == place.address:
            hint = _unavailable_hint(place)
        return UnavailableError(f"nobody answers at {address}", hint=hint)
    return error


def _unavailable_hint(place: Place) -> str:
    if place.is_named:
        return "check the address; a cluster of your own starts with: fairlead up"
    from .cluster import is_supervised

    if is_supervised(place.home):
        return f"the master may be starting again; see {place.home.log('master')}"
    return "the cluster has ended; start it again: fairlead up"


@contextmanager
def connected(place: Place) -> Iterator[Client]:
    """A client that hangs up at the end."""
    client = Client(place)
    try:
        yield client
    finally:
        client.close()
