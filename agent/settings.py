"""What an agent's core is configured with: limits and durations, and facts of this boot."""

from fairlead.common.dataclass import dataclass
from fairlead.common.values import Reserve


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Durations in seconds. `wall_offset_s` is wall time less the clock of `now`, for people."""

    software: str = ""
    sandboxes: str = "sandboxes"
    boot_id: str = ""
    place_id: str = ""
    """Where containers are looked for: another boot or pid namespace is another place."""
    wall_offset_s: float = 0.0
    silent_s: float = 10.0
    stall_s: float = 1.0
    """A tick later than that was our own stall, and is nobody's silence."""
    heartbeat_s: float = 2.0
    dial_first_s: float = 0.05
    dial_longest_s: float = 2.0
    resend_first_s: float = 1.0
    resend_longest_s: float = 30.0
    shutdown_grace_s: float = 3.0
    destroy_again_s: float = 5.0
    early_kill_s: float = 60.0
    step_s: float = 30.0
    """For a suspend, resume or resize that names no deadline of its own."""
    ended_kept: int = 1000
    log_limit_bytes: int = 64 << 20
    """Of stdout and of stderr of each task so much is kept, a quarter more at most."""
    disk_every_s: float = 30.0
    keep_ended_s: float = 7 * 86400.0
    """The sandbox of a task that ended is removed after so long, or sooner:"""
    min_free_percent: float = 10.0
    """While less of the disk is free, sandboxes of ended tasks go, oldest first;"""
    keep_least_s: float = 60.0
    """but not so soon: whoever waited for the end is about to read."""
    tasks_per_message: int = 100
    reserved: tuple[Reserve, ...] = ()
    """For these roles and those below them, as long as the agent is told so."""
