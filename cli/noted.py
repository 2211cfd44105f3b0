"""Groups of flags that become settings: a verb takes each group whole, without an argument for each
of its flags.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

Command = TypeVar("Command", bound=Callable[..., Any])
Reader = Callable[[click.Context, click.Parameter, Any], Any]


class NotedFlags:
    """What was said is kept beside the invocation, by the names of the settings."""

    def __init__(self, group: str) -> None:
        self._key = f"fairlead.{group}"
        self._flags: list[Callable[[Command], Command]] = []

    def flag(self, *names: str, read: Reader | None = None, **details: Any) -> None:
        """One more, in the order in which `--help` lists them; as click.option has it. `read` makes
        of the value what the setting is to be.
        """

        def note(ctx: click.Context, param: click.Parameter, value: Any) -> None:
            assert param.name is not None, "every option has a name"
            if ctx.get_parameter_source(param.name) is not ParameterSource.DEFAULT:
                said = value if read is None else read(ctx, param, value)
                ctx.meta.setdefault(self._key, {})[param.name] = said

        self._flags.append(click.option(*names, expose_value=False, callback=note, **details))

    def options(self, command: Command) -> Command:
        """The decorator of a verb that takes them."""
        for add in reversed(self._flags):
            command = add(command)
        return command

    def of(self, ctx: click.Context) -> dict[str, Any]:
        """What was said; nothing of a flag that was left out."""
        said: dict[str, Any] = ctx.meta.get(self._key, {})
        return said
