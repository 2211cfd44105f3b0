"""The driver's end of `code_spaces`: tells one worker's child which code the next calls use."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .async_channel import AsyncChannel
from .code_set import CodeSet
from .protocol import Kind

_KEPT = 4
"""A child keeps so many versions; one that is used again later is announced again."""


class CodeOffers:
    """What a child was told of, and what it may still ask for."""

    def __init__(self, channel: AsyncChannel) -> None:
        self._channel = channel
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._unanswered: dict[str, CodeSet] = {}
        self._current = ""

    def use(self, code: CodeSet) -> list[str]:
        """Calls sent from now on use it; returns the sets that the child forgets over it."""
        if code.digest == self._current:
            return []
        self._current = code.digest
        is_known = code.digest in self._kept
        self._kept[code.digest] = None
        self._kept.move_to_end(code.digest)
        forgotten = [self._kept.popitem(last=False)[0]] if len(self._kept) > _KEPT else []
        if not is_known:
            self._unanswered[code.digest] = code
        files = None if is_known else code.listing()
        fields = {"set": code.digest, "files": files, "forget": forgotten}
        self._channel.send(Kind.CODE, fields)
        return forgotten

    def on_missing(self, fields: Mapping[str, Any]) -> None:
        """The child has looked through the files that it has."""
        code = self._unanswered.pop(fields["set"])
        if fields["digests"]:
            self._channel.send(
                Kind.FILES, {"digests": fields["digests"]}, code.data(fields["digests"])
            )
