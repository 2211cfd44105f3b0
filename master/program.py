"""An accept while it is being validated and booked."""

from dataclasses import field

from fairlead.common.dataclass import dataclass
from fairlead.common.ids import Role
from fairlead.common.resources import EMPTY, Resources
from fairlead.common.values import Launch

from .books import Agent, Framework


@dataclass(slots=True)
class Program:
    """What goes into an accept, what is left of it, and what came of it so far."""

    framework: Framework
    agent: Agent
    role: Role
    accept_id: str
    left: Resources
    launches: list[Launch] = field(default_factory=list)
    held: Resources = EMPTY
    size: int = 0
    """Of its launches, in bytes, about."""
