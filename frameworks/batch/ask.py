"""Asks a master where its batch framework is.

    python -m fairlead.frameworks.batch.ask HOME MASTER

A program of its own, for `locate`: it imports grpc, which a process that forks better does not.
"""

import json
import sys

from fairlead.common.client import connect_sync
from fairlead.common.errors import FairleadError, UnauthenticatedError, UnavailableError
from fairlead.common.home import Home
from fairlead.common.operators import StateQuery
from fairlead.common.rpc import GET_STATE
from fairlead.common.tls import Reach, Tls

from .scheduler import NAME


def ask(home: Home, master: str) -> str:
    """The address that the framework told this master."""
    try:
        with connect_sync(master, home.token(), home.tls) as client:
            state = client.call(GET_STATE, StateQuery())
    except UnauthenticatedError as error:
        raise UnauthenticatedError(
            f"the master at {master} does not accept the token of {home.path}",
            hint="name the home of that cluster: FAIRLEAD_HOME",
        ) from error
    except UnavailableError as error:
        raise UnavailableError(
            f"no master answers at {master}",
            hint="check the address; without one, Executor() finds or starts a cluster by itself",
        ) from error
    for view in state.frameworks:
        if view.framework.name == NAME and view.is_connected and view.framework.address:
            return view.framework.address
    raise UnavailableError(
        f"the master at {master} knows no batch framework",
        hint=f"start one: fairlead frameworks host batch --master {master}",
    )


def main() -> int:
    """Prints JSON: the address, or what is wrong and what to do about it."""
    home, master = sys.argv[1:]
    try:
        found = Home(home, Reach(Tls.find()))
        answer: dict[str, str] = {"address": ask(found, master)}
    except FairleadError as error:
        answer = {"kind": type(error).__name__, "error": error.message, "hint": error.hint}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
