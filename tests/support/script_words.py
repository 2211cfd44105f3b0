"""The sentences of a script: what agents, frameworks, operators and time do, one method each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.support import script_parts as parts
from tests.support.master_peers import AgentDouble, FrameworkDouble
from tests.support.script_parts import ScriptError
from tests.support.script_trace import SHOWABLE, TracedHarness, name

from fairlead.common.ids import AgentId, LaunchUuid, OfferId, Role, TaskId
from fairlead.common.messages import (
    Accept,
    Decline,
    Kill,
    Reconcile,
    Revive,
    SetDemand,
    Suppress,
    Teardown,
)
from fairlead.common.operators import (
    DrainAgent,
    ExplainFramework,
    ExplainTask,
    KillAnyTask,
    MarkAgentGone,
    SetQuota,
    SetReservation,
    SetWeight,
    TeardownFramework,
)
from fairlead.common.values import (
    Reason,
    Resize,
    Resume,
    RoleDemand,
    RoleWish,
    Suspend,
    TaskRef,
    TaskState,
)
from fairlead.master.settings import MasterSettings

Sentence = Callable[..., None]
SENTENCES: list[tuple[re.Pattern[str], Sentence]] = []


def says(pattern: str) -> Callable[[Sentence], Sentence]:
    """This method is what the sentence means; its groups are the arguments."""

    def keep(method: Sentence) -> Sentence:
        SENTENCES.append((re.compile(pattern), method))
        return method

    return keep


_ENDS: Mapping[str, tuple[TaskState, Reason, int | None]] = {
    "starts": (TaskState.STARTING, Reason.UNSPECIFIED, None),
    "runs": (TaskState.RUNNING, Reason.UNSPECIFIED, None),
    "finishes": (TaskState.FINISHED, Reason.COMMAND_EXITED, 0),
    "fails": (TaskState.FAILED, Reason.COMMAND_EXITED, 1),
    "is killed": (TaskState.KILLED, Reason.KILL_REQUESTED, None),
    "is dropped": (TaskState.DROPPED, Reason.AGENT_REFUSED, None),
}


def _setting(key: str, text: str) -> object:
    """As the field of that name is: a number, names with commas, or words."""
    default = getattr(MasterSettings(), key)
    return tuple(text.split(",")) if isinstance(default, tuple) else type(default)(text)


class Conversation:
    """One script as it goes on."""

    def __init__(self) -> None:
        self.harness = TracedHarness()
        self.harness.begin_trace()

    def hear(self, sentence: str) -> list[str]:
        """What comes of it, line by line."""
        for pattern, method in SENTENCES:
            if found := pattern.fullmatch(sentence):
                self.harness.trace.clear()
                method(self, *found.groups())
                self.harness.tick()
                return list(self.harness.trace)
        known = "\n  ".join(pattern.pattern for pattern, _ in SENTENCES)
        raise ScriptError(f"nobody understands {sentence!r}; sentences are\n  {known}")

    # --- the stage

    @says(r"settings (.+)")
    def _settings(self, text: str) -> None:
        pairs = (pair.split("=") for pair in text.split())
        chosen: dict[str, Any] = {key: _setting(key, value) for key, value in pairs}
        self.harness = TracedHarness(replace(MasterSettings(), **chosen))
        self.harness.begin_trace()

    @says(r"no offer is smaller than (.+)")
    def _minimum(self, text: str) -> None:
        self.harness = TracedHarness(MasterSettings(minimum_offers=parts.sizes(text)))
        self.harness.begin_trace()

    @says(r"show (.+)")
    def _show(self, text: str) -> None:
        kinds = text.split(", ")
        if unknown := {*kinds} - {*SHOWABLE}:
            raise ScriptError(f"{unknown} is none of {SHOWABLE}")
        self.harness.shown |= {*kinds}

    @says(r"agent (\S+) has ([^;]+)(?:; (.+))?")
    def _agent(self, named: str, size: str, where: str | None) -> None:
        has = parts.quantities(size)
        mem = f"{has.get('mem', 0) / parts.GIB}GiB"
        pairs = (each.split(" is ") for each in (where or "").split(", ") if each)
        self.harness.agent(
            cpus=has.get("cpus", 0),
            mem=mem,
            gpus=int(has.get("gpus", 0)),
            name=named,
            attributes=dict(pairs),
        )

    @says(r"framework (\S+?)(?:: (.+))?")
    def _framework(self, named: str, text: str | None) -> None:
        """`framework a: role ml; wants 2 of 1 cpu; only where disk is ssd; apart from web`."""
        words = parts.Stranger([named])
        for clause in text.split("; ") if text else ():
            words.hear(clause)
        wish = replace(words.wish, role=Role(words.roles[0]))
        self.harness.framework(
            name=named,
            roles=words.roles,
            demands=words.demands,
            wishes=[wish] if words.wish != RoleWish(Role("")) else [],
            failover_timeout_s=words.away_s,
            capabilities=words.capabilities,
        )

    # --- frameworks

    @says(r"(\S+) accepts (nothing|o-\S+(?:, o-\S+)*)(?: for (\S+) s)?(?:: (.+))?")
    def _accepts(self, who: str, offers: str, refuse_s: str | None, text: str | None) -> None:
        framework = self._framework_named(who)
        steps = parts.operations(text or "")
        offer_ids = () if offers == "nothing" else tuple(map(OfferId, offers.split(", ")))
        about = (each.task_id for each in steps if isinstance(each, Suspend | Resume | Resize))
        task_ids = tuple(dict.fromkeys(about))
        framework.call(Accept(offer_ids, steps, task_ids, float(refuse_s or 5)))

    @says(r"(\S+) takes the gang (\S+): (.+)")
    def _takes_gang(self, who: str, gang_id: str, text: str) -> None:
        tasks = [parts.task(each.removeprefix("launch ")) for each in text.split("; ")]
        self._framework_named(who).takes_gang(gang_id, *tasks)

    @says(r"(\S+) declines (o-\S+(?:, o-\S+)*?)(?: for (\S+) s)?(, and all alike)?")
    def _declines(self, who: str, offers: str, refuse_s: str | None, alike: str | None) -> None:
        offer_ids = tuple(map(OfferId, offers.split(", ")))
        self._framework_named(who).call(Decline(offer_ids, float(refuse_s or 5), bool(alike)))

    @says(r"(\S+) (revives|suppresses)(?: (\S+))?")
    def _revives(self, who: str, verb: str, role: str | None) -> None:
        roles = (Role(role),) if role else ()
        call = Revive(roles) if verb == "revives" else Suppress(roles)
        self._framework_named(who).call(call)

    @says(r"(\S+) wants (.+)")
    def _wants(self, who: str, text: str) -> None:
        framework = self._framework_named(who)
        framework.demands = (RoleDemand(framework.role, parts.demands(text)),)
        framework.call(SetDemand(framework.demands))

    @says(r"(\S+) kills (\S+)(?: within (\S+) s)?")
    def _kills(self, who: str, task_id: str, grace_s: str | None) -> None:
        grace = None if grace_s is None else float(grace_s)
        if who == "operator":
            owner = self._owner(task_id)
            self.harness.say(KillAnyTask(owner.id, TaskId(task_id), grace))
        else:
            self._framework_named(who).call(Kill(TaskId(task_id), grace_s=grace))

    @says(r"(\S+) asks about (all|\S+)(?: of launch (\S+))?(?: on (\S+))?")
    def _asks(self, who: str, task_id: str, uuid: str | None, agent: str | None) -> None:
        known = [each.id for each in self.harness.agents if name(each) == agent]
        agent_id = known[0] if known else AgentId(agent or "")
        ref = TaskRef(TaskId(task_id), LaunchUuid(uuid or ""), agent_id)
        self._framework_named(who).call(Reconcile(() if task_id == "all" else (ref,)))

    @says(r"(\S+) does not acknowledge")
    def _keeps_silent(self, who: str) -> None:
        self._framework_named(who).is_acknowledging = False

    @says(r"(\S+) acknowledges (\S+)")
    def _acknowledges(self, who: str, task_id: str) -> None:
        framework = self._framework_named(who)
        known = [status for status in framework.statuses if status.task_id == task_id]
        framework.acknowledge(known[-1])

    @says(r"another (\S+) comes")
    def _rival(self, who: str) -> None:
        peer = self._peer(who)
        if isinstance(peer, AgentDouble):
            self.harness.twin(peer).connects()
        else:
            self.harness.rival(peer).connects()

    # --- agents

    @says(r"(\S+): (\S+) (starts|runs|finishes|fails|is killed|is dropped)(?:, ([A-Z_]+))?")
    def _becomes(self, where: str, task_id: str, verb: str, reason: str | None) -> None:
        state, usual, exit_code = _ENDS[verb]
        why = Reason[reason] if reason else usual
        self._agent_named(where).becomes(task_id, state, why, exit_code)

    @says(r"(\S+) carries it out")
    def _carries_out(self, where: str) -> None:
        self._agent_named(where).programs.finish()

    @says(r"(\S+) takes one step")
    def _steps(self, where: str) -> None:
        self._agent_named(where).programs.step()

    @says(r"(\S+) fails at the next step")
    def _fails(self, where: str) -> None:
        self._agent_named(where).programs.fail()

    @says(r"(\S+) finds (.+) idle")
    def _finds(self, where: str, size: str) -> None:
        agent = self._agent_named(where)
        agent.revocable = parts.resources(size)
        agent.beats()

    @says(r"(\S+) grows to (.+)")
    def _grows(self, where: str, size: str) -> None:
        agent = self._agent_named(where)
        agent.disconnects()
        has = parts.resources(size)
        agent.info = replace(agent.info, resources=replace(has, gpus=agent.info.resources.gpus))
        agent.connects()

    # --- anybody

    @says(r"(\S+) leaves")
    def _leaves(self, who: str) -> None:
        self._peer(who).disconnects()

    @says(r"(\S+) returns")
    def _returns(self, who: str) -> None:
        self._peer(who).connects()

    @says(r"(\S+) falls silent")
    def _falls_silent(self, who: str) -> None:
        self._peer(who).is_silent = True

    @says(r"(\S+) speaks again")
    def _speaks(self, who: str) -> None:
        self._peer(who).is_silent = False

    # --- time

    @says(r"(\S+) s pass")
    def _pass(self, seconds: str) -> None:
        self.harness.advance(float(seconds))

    @says(r"the master stands still for (\S+) s")
    def _stands_still(self, seconds: str) -> None:
        self.harness.stop_the_master(float(seconds))

    @says(r"a new master leads( alone)?")
    def _fails_over(self, alone: str | None) -> None:
        self.harness.fail_over(returns=not alone)

    # --- operators

    @says(r"operator: the weight of (\S+) is (\S+)")
    def _weight(self, role: str, weight: str) -> None:
        self.harness.say(SetWeight(Role(role), float(weight)))

    @says(r"operator: (\S+) has(?: at least ([^;]+?))?(?:; at most (.+))?")
    def _quota(self, role: str, least: str | None, most: str | None) -> None:
        guarantees = parts.grains(least) if least else {}
        limits = parts.grains(most) if most else {}
        self.harness.say(SetQuota(Role(role), guarantees, limits))

    @says(r"operator: reserve (.+) on (\S+) for (\S+)")
    def _reserve(self, size: str, where: str, role: str) -> None:
        agent_id = self._agent_named(where).id
        self.harness.say(SetReservation(agent_id, Role(role), parts.resources(size)))

    @says(r"operator: drain (\S+?)(?: within (\S+) s)?( no more)?")
    def _drains(self, where: str, grace_s: str | None, undo: str | None) -> None:
        agent_id = self._agent_named(where).id
        self.harness.say(DrainAgent(agent_id, float(grace_s) if grace_s else None, bool(undo)))

    @says(r"operator: (\S+) is gone")
    def _is_gone(self, where: str) -> None:
        self.harness.say(MarkAgentGone(self._agent_named(where).id))

    @says(r"operator: tear (\S+) down")
    def _operator_tears_down(self, who: str) -> None:
        self.harness.say(TeardownFramework(self._framework_named(who).id))

    @says(r"operator: explain (task )?(\S+)")
    def _explain(self, is_task: str | None, named: str) -> None:
        if is_task:
            self.harness.say(ExplainTask(TaskId(named)))
        else:
            self.harness.say(ExplainFramework(self._framework_named(named).id))

    @says(r"operator: who holds what")
    def _shows(self) -> None:
        for agent in self.harness.master.books.agents.values():
            line = f"{agent.info.name} is {agent.state.name}: {agent.used} used"
            self.harness.trace.append(f"{line}, {agent.offered} offered")

    @says(r"(\S+) tears itself down")
    def _tears_down(self, who: str) -> None:
        self._framework_named(who).call(Teardown())

    # --- inside

    def _peer(self, who: str) -> AgentDouble | FrameworkDouble:
        agents, frameworks = self.harness.agents, self.harness.frameworks
        peers: list[AgentDouble | FrameworkDouble] = [*agents, *frameworks]
        for peer in reversed(peers):
            if name(peer) == who:
                return peer
        raise ScriptError(f"nobody is called {who}")

    def _framework_named(self, who: str) -> FrameworkDouble:
        peer = self._peer(who)
        if not isinstance(peer, FrameworkDouble):
            raise ScriptError(f"{who} is no framework")
        return peer

    def _agent_named(self, who: str) -> AgentDouble:
        peer = self._peer(who)
        if not isinstance(peer, AgentDouble):
            raise ScriptError(f"{who} is no agent")
        return peer

    def _owner(self, task_id: str) -> FrameworkDouble:
        for framework in self.harness.frameworks:
            if TaskId(task_id) in self.harness.framework_books(framework).tasks:
                return framework
        raise ScriptError(f"nobody has a task {task_id}")
