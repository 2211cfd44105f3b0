"""What an accept has of its own while its agent executes it, as messages show it: for `offers`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fairlead.common.ids import FrameworkId, LaunchUuid, TaskId
from fairlead.common.launches import launches_in
from fairlead.common.messages import RunAccept
from fairlead.common.resources import Resources, total
from fairlead.common.values import Launch, LaunchGroup, Operation, Resize, Resume, Suspend

Move = Suspend | Resume | Resize
MOVES = (Suspend, Resume, Resize)
Used = dict[LaunchUuid, Resources]


@dataclass(slots=True)
class Part:
    """Brought by offers and tasks; what its tasks hold is theirs."""

    brought: Resources
    launch_uuids: tuple[LaunchUuid, ...]
    to_come: Mapping[LaunchUuid, Resources]
    """Launches that hold nothing before they are begun, and what they get then."""

    @classmethod
    def begun(
        cls,
        resources: Resources,
        uuids: Iterable[LaunchUuid],
        to_come: Mapping[LaunchUuid, Resources],
        used: Used,
    ) -> "Part":
        all_uuids = tuple(dict.fromkeys((*uuids, *to_come)))
        brought = resources + total(used[uuid] for uuid in all_uuids if uuid in used)
        return cls(brought, all_uuids, to_come)

    def own(self, used: Used) -> Resources:
        held = total(used[uuid] for uuid in self.launch_uuids if uuid in used)
        return self.brought.without(held)

    def end(self, used: Used) -> None:
        """What was launched and said nothing yet has all that it asked for."""
        for uuid, resources in self.to_come.items():
            if uuid in used and not used[uuid]:
                used[uuid] = resources


def part_of(
    run: RunAccept, names: Mapping[tuple[FrameworkId, TaskId], LaunchUuid], used: Used
) -> Part:
    """Of an order to an agent."""
    framework_id = run.framework.framework_id
    named = [(framework_id, op.task_id) for op in run.operations if isinstance(op, MOVES)]
    launches = launches_in(run.operations)
    to_come = {launch.launch_uuid: launch.task.resources for launch in launches}
    uuids = [names[name] for name in named if name in names]
    return Part.begun(run.resources, uuids, to_come, used)


def is_followed(operations: Iterable[Operation]) -> bool:
    """Whether its agent says when it has ended; launches alone tell of themselves."""
    return not all(isinstance(operation, Launch | LaunchGroup) for operation in operations)


def move_of(framework_id: FrameworkId, move: Move) -> str:
    """Whose, which, and of what task."""
    return f"{framework_id} {type(move).__name__} {move.task_id}"
