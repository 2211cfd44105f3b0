"""A real master on loopback, with a real agent and real tasks: what only its shell can break."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.bag import Bag
from tests.support.command import Command
from tests.support.leading import Leading, an_agent, holds, leading, scheduling
from tests.support.sessions import Ears, run, until

from fairlead.cli.changes import merged
from fairlead.common.ids import FrameworkId, Role
from fairlead.common.messages import (
    PROTOCOL_VERSION,
    Code,
    FrameworkMessage,
    Heartbeat,
    Hello,
    MasterToFramework,
    SetDemand,
    Subscribe,
)
from fairlead.common.operators import (
    OperatorCall,
    SetWeight,
    StateQuery,
    StateReply,
)
from fairlead.common.resources import Resources
from fairlead.common.rpc import FRAMEWORK_SESSION, OPERATE, WATCH_STATE
from fairlead.common.session import Session
from fairlead.common.values import (
    Demand,
    FrameworkInfo,
    Offer,
    Reason,
    RoleDemand,
    TaskInfo,
    TaskState,
)
from fairlead.frameworks.kit.scheduler import (
    OffersReceived,
    Revoke,
    SchedulerBase,
    SchedulerEvent,
    StatusReceived,
    accept,
    decline,
    framework,
    task,
)
from fairlead.master import publisher
from fairlead.master.settings import MasterSettings

OFFER_S = 0.2
"""Ten times what is promised of an idle cluster: this machine has other things to do."""
GIB = 2**30


async def following(here: Leading, is_enough: Callable[[StateReply], bool]) -> list[StateReply]:
    """A watch as it came, until what it amounts to is enough."""
    heard: list[StateReply] = []
    state: StateReply | None = None
    async with asyncio.timeout(20):
        stream = here.client.stream(WATCH_STATE, StateQuery())
        try:
            async for reply in stream:
                heard.append(reply)
                state = merged(state, reply)
                if is_enough(state):
                    break
        finally:
            await stream.aclose()  # type: ignore[attr-defined]
    return heard


def play(path: Path, story: Callable[[Leading], Awaitable[None]]) -> None:
    async def scenario() -> None:
        async with leading(path) as here:
            await story(here)

    run(scenario)


def subscribes(here: Leading, info: FrameworkInfo) -> tuple[Session, Ears]:
    """A framework that says what the test says, and nothing else."""
    ears = Ears()
    session = here.client.dial(FRAMEWORK_SESSION, ears.callbacks)
    session.send(FrameworkMessage(Subscribe(Hello(PROTOCOL_VERSION, "test", info.name, 1), info)))
    return session, ears


def said_wants(count: int) -> FrameworkMessage:
    demand = RoleDemand(Role("default"), (Demand(Resources.of(cpus=1), count),))
    return FrameworkMessage(SetDemand((demand,)))


# --- the stream of changes


def test_m36_a_watch_is_a_snapshot_and_then_all_that_changes(fairlead_home: Path) -> None:
    async def story(here: Leading) -> None:
        heard: list[StateReply] = []
        states: list[StateReply] = []
        is_begun = asyncio.Event()

        async def watch() -> None:
            async for reply in here.client.stream(WATCH_STATE, StateQuery()):
                heard.append(reply)
                states.append(merged(states[-1] if states else None, reply))
                is_begun.set()

        watching = asyncio.create_task(watch())
        try:
            async with asyncio.timeout(20):
                await is_begun.wait()
            assert heard[0].is_whole
            for number in range(1, 21):
                weight = OperatorCall(SetWeight(Role(f"r{number % 5}"), number))
                reply = await here.client.call(OPERATE, weight)
                assert reply.result.code is Code.OK
                shown = await here.state(reply.version)
                assert shown.version >= reply.version
                assert {view.role: view.weight for view in shown.roles}[Role(f"r{number % 5}")] == (
                    number
                )
                await asyncio.sleep(0.02)
            last = reply.version
            await until(lambda: states[-1].version >= last, "the watch at the last version")
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        assert len(heard) > 2
        assert not any(reply.is_whole for reply in heard[1:])
        versions = [reply.version for reply in heard]
        assert versions == sorted(set(versions))
        now = await here.state(last)
        watched, asked = ({view.role: view for view in each.roles} for each in (states[-1], now))
        assert watched == asked

    play(fairlead_home, story)


def test_m36_a_watcher_that_does_not_read_is_dropped_and_the_master_goes_on(
    fairlead_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "REFRESH_S", 0.005)
    labels = {f"label-{n}": "x" * 1000 for n in range(15)}
    large = [FrameworkInfo(FrameworkId(""), f"large-{n}", labels=labels) for n in range(15)]

    async def story(here: Leading) -> None:
        subscribed = [subscribes(here, info) for info in large]
        await until(lambda: all(ears.heard for _, ears in subscribed), "the master's answers")
        stream = here.client.stream(WATCH_STATE, StateQuery())
        assert (await anext(stream)).is_whole
        longest = 0.0
        for number in range(150):  # each tells of the large frameworks anew
            for session, _ in subscribed:
                session.send(said_wants(number + 1))
            began = time.monotonic()
            await here.state()
            longest = max(longest, time.monotonic() - began)
            await asyncio.sleep(0.006)
        assert longest < 2.0, "the master was slowed by one who does not read"
        last: StateReply | None = None
        async with asyncio.timeout(20):
            async for reply in stream:
                last = reply
        assert last is not None
        assert last.goodbye is not None
        assert last.goodbye.code is Code.SLOW_CONSUMER
        again = await following(here, lambda state: bool(state.frameworks))
        assert again[0].is_whole
        for session, _ in subscribed:
            session.close(Code.OK)

    play(fairlead_home, story)


# --- heartbeats


def test_m3_a_silent_stream_carries_heartbeats(fairlead_home: Path) -> None:
    async def scenario() -> None:
        async with leading(fairlead_home, MasterSettings(heartbeat_s=0.1)) as here:
            session, ears = subscribes(here, FrameworkInfo(FrameworkId(""), "quiet"))

            def beats() -> int:
                bodies = [each.body for each in ears.heard if isinstance(each, MasterToFramework)]
                return sum(isinstance(body, Heartbeat) for body in bodies)

            await until(lambda: beats() >= 3, "three heartbeats on a stream that is silent")
            session.close(Code.OK)

    run(scenario)


def test_m3_a_framework_that_says_nothing_is_disconnected(fairlead_home: Path) -> None:
    async def scenario() -> None:
        settings = MasterSettings(heartbeat_s=0.1, silent_s=0.5)
        async with leading(fairlead_home, settings) as here:
            _, ears = subscribes(here, FrameworkInfo(FrameworkId(""), "mute"))
            await holds(here, lambda s: any(f.is_connected for f in s.frameworks), "connected")
            await until(lambda: ears.closed, "the end of its session", 5.0)
            (view,) = (await here.state()).frameworks
            assert (view.is_connected, view.is_ended) == (False, False)

    run(scenario)


# --- how soon an offer comes

WHOLE = Resources.of(cpus=4)


class Chain(SchedulerBase):
    """Always wants the whole agent, once; notes when it was offered it."""

    def __init__(self, folder: Path, length: int) -> None:
        self.framework = framework("chain")
        self.demands = (RoleDemand(Role("default"), (Demand(WHOLE, 1),)),)
        self.offered_at: list[float] = []
        self._folder = folder
        self._length = length

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        if not isinstance(event, OffersReceived):
            return ()
        self.offered_at.append(time.time())
        if len(self.offered_at) > self._length:
            return ()
        number = len(self.offered_at)
        script = f"sleep 0.2; date +%s.%N > {self._folder}/{number}"
        info = task(f"t{number}", ("sh", "-c", script), WHOLE)
        return [accept(event.offers, info)]

    def delays(self) -> list[float]:
        """From the last act of each task to the offer after it."""
        ends = [float((self._folder / f"{n}").read_text()) for n in range(1, self._length + 1)]
        return [at - end for end, at in zip(ends, self.offered_at[1:], strict=True)]


def test_m29_what_a_task_held_is_offered_promptly_after_its_end(
    fairlead_home: Path, tmp_path: Path
) -> None:
    """From the task's own last act: its exit, the agent and the master are all on the way."""

    async def story(here: Leading) -> None:
        chain = Chain(tmp_path, 9)
        async with an_agent(here), scheduling(here, chain):
            await until(lambda: len(chain.offered_at) == 10, "ten offers")
        delays = chain.delays()
        assert statistics.median(delays) <= OFFER_S, delays

    play(fairlead_home, story)


# --- who has too much


class Hog(Bag):
    """Accepts everything; what it loses it wants again. Remembers when it was asked to give back,
    and when somebody had something of it.
    """

    def __init__(self, name: str, count: int) -> None:
        self.asked_at: list[float] = []
        self.since = time.monotonic()
        self.began_at: list[float] = []
        super().__init__(name, [self._another(number) for number in range(count)], role=name)

    def step(self, event: SchedulerEvent, now: float) -> Sequence[object]:
        if isinstance(event, Revoke):
            self.asked_at.append(time.monotonic())
        if isinstance(event, StatusReceived):
            if event.status.state is TaskState.RUNNING:
                self.began_at.append(time.monotonic())
            if event.status.state.is_terminal:
                self.waiting = (*self.waiting, self._another(len(self.launched) + 100))
                self._want()
        return super().step(event, now)

    def _another(self, number: int) -> TaskInfo:
        resources = Resources.of(cpus=1, mem=10**7)
        return task(f"{self.__class__.__name__}-{number}", ("sleep", "1000"), resources)


def test_m27_a_hog_gives_back_half_to_who_starves(fairlead_home: Path) -> None:
    """Real tasks: four cpus, all taken by a framework that never has enough."""
    settings = MasterSettings(revoke_after_s=1.0, revoke_grace_s=0.5)

    async def scenario() -> None:
        hog, poor = Hog("hog", 6), Hog("poor", 6)
        async with leading(fairlead_home, settings) as here, an_agent(here), scheduling(here, hog):
            await until(lambda: len(hog.running()) == 4, "the hog has all")
            poor.since = time.monotonic()
            async with scheduling(here, poor):
                await until(lambda: len(poor.running()) == 2, "half of it")
                await until(lambda: len(hog.ended()) == 2, "two that were ended")
        reasons = {status.reason for status in hog.ended().values()}
        assert reasons == {Reason.REVOKED}
        assert (len(hog.running()), len(hog.asked_at), poor.asked_at) == (2, 1, [])
        waited = [at - poor.since for at in (hog.asked_at[0], poor.began_at[1])]
        print("asked to give back after {:.2f} s, half of it runs after {:.2f} s".format(*waited))  # noqa: T201

    run(scenario)


class Borrower(Bag):
    """Can bear to lose what others do not use."""

    def __init__(self, *tasks: TaskInfo) -> None:
        super().__init__("borrower", tasks)
        self.framework = framework("borrower", capabilities=["revocable"])
        self.lent: list[Resources] = []

    def _use(self, offer: Offer) -> object:
        self.lent.append(offer.revocable)
        return super()._use(replace(offer, resources=offer.resources + offer.revocable))


def test_m26_idle_cpus_are_lent_and_taken_back(fairlead_home: Path, tmp_path: Path) -> None:
    """Measured of real tasks: the owner of all four cpus sleeps, and then it works."""
    spin = "while :; do :; done"
    script = f"while [ ! -e {tmp_path / 'go'} ]; do sleep 0.5; done; ({spin}) & {spin}"
    memory = 10**7
    owner = Bag("owner", [task("owner", ("sh", "-c", script), Resources.of(cpus=4, mem=memory))])
    lent = task("lent", ("sleep", "1000"), Resources.of(cpus=3.4, mem=memory))
    borrower = Borrower(replace(lent, revocable=True))

    async def story(here: Leading) -> None:
        async with an_agent(here), scheduling(here, owner):
            await until(lambda: len(owner.running()) == 1, "the owner runs")
            async with scheduling(here, borrower):
                await until(lambda: len(borrower.running()) == 1, "cpus are lent", 40)
                state = await here.state()
                (tmp_path / "go").touch()
                await until(lambda: len(borrower.ended()) == 1, "they are taken back", 40)
        assert borrower.lent == [Resources.of(cpus=3.4)]
        assert state.agents[0].used.cpus == 4000, "they are the owner's all the time"
        assert borrower.ended()["lent"].reason is Reason.REVOKED
        assert "taken back" in borrower.ended()["lent"].message
        assert len(owner.running()) == 1

    play(fairlead_home, story)


# --- what is used, and by whom

DEVICE = Resources.of(cpus=1, mem=10**7, gpus=1)


class Observer(SchedulerBase):
    """Accepts nothing and refuses nothing for long; remembers its offers."""

    def __init__(self) -> None:
        self.framework = framework("observer")
        self.offers: list[Offer] = []

    def step(self, event: SchedulerEvent, _now: float) -> Sequence[object]:
        if not isinstance(event, OffersReceived):
            return ()
        self.offers += event.offers
        return [decline(event.offers, refuse_s=0)]


def environment(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value for name, _, value in pairs}


def test_a8_two_tasks_have_a_device_each_and_see_no_other(
    fairlead_home: Path, tmp_path: Path
) -> None:
    async def story(here: Leading) -> None:
        names = ("one", "two")
        argv = {name: ("sh", "-c", f"env > {tmp_path / name}; sleep 1000") for name in names}
        third = task("three", ("true",), DEVICE)
        bag = Bag("bag", [*(task(name, argv[name], DEVICE) for name in names), third])
        async with an_agent(here), scheduling(here, bag):
            await until(lambda: all((tmp_path / name).exists() for name in names), "both")
            await until(lambda: len(bag.running()) == 2, "both running")
            state = await holds(here, lambda state: len(state.tasks) >= 2, "both shown")
            shown = {str(view.task_id): view for view in state.tasks}
            assert shown.keys() == set(names), "there is no third device"
            booked = {name: [gpu for gpu, _ in shown[name].resources.gpus] for name in names}
            assert sorted(gpu for gpus in booked.values() for gpu in gpus) == ["fake-0", "fake-1"]
            for name in names:
                found = environment(tmp_path / name)
                assert found["FAIRLEAD_GPUS"] == booked[name][0]
                assert found["CUDA_VISIBLE_DEVICES"] == "", "CUDA knows no fake device"

            def pretends(state: StateReply) -> bool:
                (agent,) = state.agents
                devices = [(gpu.utilisation, gpu.memory_bytes) for gpu in agent.usage.gpus]
                held = [view.usage.gpu_memory_bytes for view in state.tasks]
                return devices == [(50.0, GIB)] * 2 and held == [GIB] * 2

            await holds(here, pretends, "devices that are half busy")

    play(fairlead_home, story)


def test_a17_usage_is_shown_to_operators_and_told_in_offers(
    fairlead_home: Path, tmp_path: Path
) -> None:
    async def story(here: Leading) -> None:
        script = f"echo > {tmp_path / 'begun'}; while :; do :; done"
        bag = Bag("bag", [task("busy", ("sh", "-c", script), DEVICE)])
        observer = Observer()
        command = Command(fairlead_home)
        async with an_agent(here), scheduling(here, bag):
            await until(bag.running, "the task running")
            await holds(
                here,
                lambda state: any(
                    view.usage.cpu_s > 0.1 and view.usage.memory_bytes > 0 for view in state.tasks
                ),
                "usage of the task",
            )
            (shown,) = await asyncio.to_thread(command.json, "tasks", "list")
            assert shown["task_id"] == "busy"
            assert shown["usage"]["cpu_s"] > 0.1
            assert shown["usage"]["mem_bytes"] > 0
            assert shown["usage"]["processes"] >= 1
            assert shown["usage"]["gpu_mem_bytes"] == GIB
            before = shown["usage"]["cpu_s"]
            await holds(
                here,
                lambda state: any(view.usage.cpu_s > before for view in state.tasks),
                "more usage of the task",
            )
            await holds(
                here,
                lambda state: any(view.usage.cpu_percent > 0 for view in state.agents),
                "usage of the host",  # two samples within a clock tick tell nothing
            )
            (agent,) = await asyncio.to_thread(command.json, "agents", "list")
            assert 0 <= agent["usage"]["cpu_percent"] <= 100
            assert agent["usage"]["mem_bytes"] > 0
            assert agent["usage"]["disk_free_bytes"] > 0
            async with scheduling(here, observer):
                await until(
                    lambda: any(
                        offer.utilisation.cpu_percent > 0
                        and [gpu.utilisation for gpu in offer.utilisation.gpus] == [50.0, 0.0]
                        for offer in observer.offers
                    ),
                    "an offer that tells what is in use",
                )

    play(fairlead_home, story)
