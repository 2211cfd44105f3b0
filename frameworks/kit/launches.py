"""The launches within an accept, and the uuid that each gets once."""

from collections.abc import Iterator
from dataclasses import replace

from fairlead.common.ids import LaunchUuid
from fairlead.common.launches import launches_in
from fairlead.common.messages import Accept
from fairlead.common.values import Launch, LaunchGroup, Operation


def launches_of(call: Accept) -> Iterator[Launch]:
    """All of them, those in groups too."""
    return launches_in(call.operations)


class LaunchNames:
    """Counts the launches of one instance, so that no two ever bear the same name."""

    def __init__(self, instance_uuid: str) -> None:
        self._instance_uuid = instance_uuid
        self._last = 0

    def name(self, call: Accept) -> Accept:
        """The accept with all its uuids; those that the scheduler made itself are kept."""
        return replace(call, operations=tuple(map(self._operation, call.operations)))

    def _operation(self, operation: Operation) -> Operation:
        if isinstance(operation, LaunchGroup):
            return LaunchGroup(tuple(map(self._launch, operation.launches)))
        return self._launch(operation) if isinstance(operation, Launch) else operation

    def _launch(self, launch: Launch) -> Launch:
        if launch.launch_uuid:
            return launch
        self._last += 1
        return Launch(launch.task, LaunchUuid(f"{self._instance_uuid}-{self._last}"))
