"""How clients of a built-in framework find it: the master knows who listens where."""

from collections.abc import Sequence

from fairlead.common.errors import UnavailableError
from fairlead.common.operators import FrameworkView


def address_of(name: str, frameworks: Sequence[FrameworkView]) -> str:
    """Where the framework listens; UnavailableError if it does not run now."""
    for view in frameworks:
        if view.framework.name == name and view.is_connected and view.framework.address:
            return view.framework.address
    raise UnavailableError(
        f"the framework {name!r} is not connected to this cluster",
        hint=f"`fairlead up` starts it; by itself: fairlead frameworks host {name}",
    )
