"""What goes wrong, as a table: kinds of fault by name, each drawn and applied from one seed.

A fault that finds nothing to strike does not count, and another one is drawn.
"""

from collections.abc import Mapping

from . import network_faults, people_faults, process_faults, reserving, retiring
from .targets import Fault, Target, a_framework, an_agent, the_master
from .traps import is_program, is_step

KINDS: Mapping[str, tuple[int, Fault]] = {
    "slow link": (6, network_faults.slow_link),
    "break session": (6, network_faults.break_session),
    "half open session": (4, network_faults.half_open),
    "silent session": (3, network_faults.silence),
    "one-way stall": (5, network_faults.one_way),
    "partition": (5, network_faults.partition),
    "one-way partition": (4, network_faults.one_way_partition),
    "doubled session": (3, network_faults.doubled_session),
    "slow consumer": (4, network_faults.slow_consumer),
    "agent dies in an accept": (8, process_faults.trap(an_agent, is_step)),
    "master dies in an accept": (4, process_faults.trap(the_master, is_program)),
    "crash master": (5, process_faults.crash(the_master)),
    "crash agent": (5, process_faults.crash(an_agent)),
    "crash framework": (3, process_faults.crash(a_framework)),
    "master dies between actions": (4, process_faults.fuse(the_master)),
    "agent dies between actions": (6, process_faults.fuse(an_agent)),
    "restart framework": (2, process_faults.restart),
    "framework dies between actions": (4, process_faults.fuse(a_framework)),
    "master dies at a commit": (2, process_faults.mine(the_master)),
    "agent dies at a commit": (6, process_faults.mine(an_agent)),
    "stop master": (4, process_faults.stop(the_master)),
    "stop agent": (4, process_faults.stop(an_agent)),
    "stop framework": (3, process_faults.stop(a_framework)),
    "agent away for long": (3, process_faults.long_absence),
    "reboot": (2, process_faults.reboot),
    "second leader": (4, process_faults.usurp),
    "slow disk": (4, process_faults.slow_disk),
    "full disk": (3, process_faults.full_disk),
    "lost disk": (1, process_faults.lost_disk),
    "clock leaps": (4, process_faults.leap),
    "container fails": (5, process_faults.container_fails),
    "container not started": (4, process_faults.fails("start")),
    "freeze stuck": (2, process_faults.fails("freeze")),
    "gpu not released": (2, process_faults.fails("release")),
    "container not resumed": (4, process_faults.fails("resume")),
    "container not updated": (2, process_faults.fails("update")),
    "launcher dies": (2, process_faults.launcher_dies),
    "launch killed at once": (6, people_faults.launch_killed),
    "operator kills": (4, people_faults.operator_kills),
    "operator weighs": (1, people_faults.operator_weighs),
    "operator reserves": (3, reserving.operator_reserves),
    "operator drains": (2, retiring.operator_drains),
    "operator marks gone": (2, retiring.operator_marks_gone),
    "operator ends framework": (1, people_faults.operator_ends_guest),
    "operator asks": (1, people_faults.operator_asks),
    "client asks": (2, people_faults.client_asks),
    "bad call": (2, people_faults.bad_call),
}
"""Kind → how often, relative to the others, and what it does."""


def strike(target: Target) -> str:
    """One fault of a drawn kind; which one it was."""
    kinds = list(KINDS)
    weights = [weight for weight, _ in KINDS.values()]
    for _ in range(20):
        kind = target.random.choices(kinds, weights)[0]
        if KINDS[kind][1](target):
            return kind
    return ""
