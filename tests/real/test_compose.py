"""The cluster of containers that docs/compose.md describes: brought up, used, scaled and killed."""

import json
from collections.abc import Iterator

import pytest
from tests.support.command import until
from tests.support.compose import STEP_S, UP_S, Compose, Shell, compose_of
from tests.support.docker_engine import IMAGE, Engine, NoEngineError

pytestmark = pytest.mark.timeout(900)

BATCH = """
import os, sys, time
from fairlead.frameworks.batch import Executor

def square(number, gate):
    while not os.path.exists(gate):
        time.sleep(0.05)
    return number * number

with Executor(2) as executor:
    print(sum(executor.map(square, range(20), sys.argv[1:] * 20)))
"""
JOB = """
import os, sys, time
from fairlead.frameworks.training import steps

state = {"total": 0}
for batch in steps(range(30), state=state):
    while batch == 20 and not os.path.exists(sys.argv[1]):
        time.sleep(0.05)
    state["total"] += batch
print("total", state["total"])
"""


@pytest.fixture(scope="module")
def compose(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    try:
        with compose_of(docker_engine, tmp_path_factory.mktemp("compose")) as found:
            yield found
    except NoEngineError as error:
        pytest.skip(f"no compose cluster: {error}")


@pytest.fixture(scope="module")
def shell(compose: Compose) -> Iterator[Shell]:
    """Beside the cluster."""
    with compose.shell() as found:
        yield found


def agents(shell: Shell) -> set[str]:
    rows = shell.rows("agents", "list")
    return {row["name"] for row in rows if row["state"] == "CONNECTED"}


def test_up_then_run_prints_hi(compose: Compose) -> None:
    assert compose("run", "--rm", "-T", "cli", "run", "--", "echo", "hi") == "hi\n"
    for service in ("master", "agent", "batch", "training"):
        (container,) = compose.containers(service)
        until(f"{service} is healthy", lambda it=container: compose.is_healthy(it), STEP_S)  # type: ignore[misc]
        assert compose.inspect(container)["Config"]["User"] == "fairlead"


def test_no_container_holds_the_key_of_another_party(compose: Compose, shell: Shell) -> None:
    (agent,) = compose.containers("agent")
    found = compose.engine.docker("exec", agent, "ls", "/etc/fairlead").split()
    assert sorted(found) == ["agent-key.pem", "agent.pem", "ca.pem", "token"]
    assert "client.pem" in shell("ls", "/etc/fairlead")


def test_agents_scale_and_each_has_its_own_directory(compose: Compose, shell: Shell) -> None:
    compose("up", "--detach", "--scale", "agent=3", timeout_s=UP_S)
    until("three agents are there", lambda: len(agents(shell)) == 3, STEP_S)
    directories = {path.name for path in (compose.data / "agents" / "agents").iterdir()}
    assert directories == agents(shell)
    compose("up", "--detach", "--scale", "agent=2", timeout_s=UP_S)
    until("two agents are left", lambda: len(agents(shell)) == 2, STEP_S)


def test_an_example_runs_inside(shell: Shell) -> None:
    said = shell("python", "/opt/fairlead/examples/identifiers.py", "--files", "40", "--check")
    assert "identifiers" in said


def test_a_docker_task_outlives_its_agents_container(compose: Compose, shell: Shell) -> None:
    """It is a sibling of that container, and finds its sandbox at the same path."""
    compose("--profile", "docker", "up", "--detach", "agent-docker", timeout_s=UP_S)
    (agent,) = compose.containers("agent-docker")
    name = compose.inspect(agent)["Config"]["Hostname"]
    until("its agent is there", lambda: name in agents(shell), STEP_S)
    assert shell("fairlead", "run", "--image", IMAGE, "--", "echo", "hi") == "hi\n"

    wait = "echo begun; while [ ! -e go ]; do sleep 0.1; done; exit 7"
    argv = ("fairlead", "run", "-d", "--image", IMAGE, "--", "sh", "-c", wait)
    task = shell(*argv).strip()
    until("it runs", lambda: state_of(shell, task) == "RUNNING", STEP_S)
    compose.kill(agent)
    until("its agent is back", lambda: name in agents(shell), STEP_S)
    assert state_of(shell, task) == "RUNNING"
    assert shell("fairlead", "tasks", "logs", task) == "begun\n"
    sandbox = json.loads(shell("fairlead", "tasks", "show", task, "-o", "json"))["sandbox"]
    compose.engine.docker("exec", agent, "touch", f"{sandbox}/go")
    until("it has ended", lambda: state_of(shell, task) == "FAILED", STEP_S)
    compose("--profile", "docker", "rm", "--stop", "--force", "agent-docker")


def state_of(shell: Shell, task: str) -> str:
    (row,) = [row for row in shell.rows("tasks", "list", "--all") if row["task_id"] == task]
    return str(row["state"])


def test_all_is_finished_though_everybody_is_killed(compose: Compose, shell: Shell) -> None:
    """Each agent, and the master in between: what ran in a dead container is GONE, and run again
    by those who asked for it. Nothing ends before all that has happened: a gate is opened then.
    """
    gate = compose.data / "training" / "gate"
    lost = shell("fairlead", "run", "-d", "--", "sleep", "1000").strip()
    shell("sh", "-c", "cat >job.py", stdin=JOB)
    job = shell("fairlead", "jobs", "submit", "--", "python", "job.py", str(gate)).strip()
    shell("sh", "-c", "cat >calls.py", stdin=BATCH)
    calls = shell.begin("python", "calls.py", str(gate))

    def running() -> set[str]:
        return {row["name"] for row in shell.rows("tasks", "list") if row["state"] == "RUNNING"}

    until("all run", lambda: {"sleep", "batch worker", "job"} <= running(), STEP_S)
    first, second = compose.containers("agent")
    compose.kill(first)
    (master,) = compose.containers("master")
    compose.kill(master)
    until("the master has its agents again", lambda: len(agents(shell)) == 2, STEP_S)
    services = [*compose.containers("batch"), *compose.containers("training")]
    until("it has its frameworks again", lambda: all(map(compose.serves, services)), STEP_S)
    compose.kill(second)
    until("what ran there is gone", lambda: state_of(shell, lost) == "GONE", STEP_S)
    gate.touch()

    with calls:
        said, complained = calls.communicate(timeout=STEP_S)
    assert (calls.returncode, said) == (0, f"{sum(n * n for n in range(20))}\n"), complained

    def is_finished() -> bool:
        (row,) = [row for row in shell.rows("jobs", "list", "--all") if row["job_id"] == job]
        assert row["state"] not in ("FAILED", "CANCELLED"), row
        return bool(row["state"] == "FINISHED")

    until("the job is finished", is_finished, STEP_S)
    assert shell("fairlead", "jobs", "logs", job).endswith(f"total {sum(range(30))}\n")
