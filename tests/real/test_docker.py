"""Docker tasks as a person sees them: a cluster on a real engine that is killed, hangs, or refuses;
and agents that are killed meanwhile.
"""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.support.command import Command, until
from tests.support.docker_engine import IMAGE, Engine

from fairlead.common.home import Home


@pytest.fixture
def cluster(docker_engine: Engine, fairlead_home: Path) -> Iterator[Command]:
    command = Command(fairlead_home)
    command.ok(
        "up",
        "--detach",
        *("--cpus", "8", "--mem", "2GB", "--gpus", "fake:2"),
        *("--docker", docker_engine.host, "--volume-allowed", "/usr/share:ro"),
    )
    try:
        yield command
    finally:
        command.ok("down")
        assert docker_engine.docker("ps", "--all", "--quiet") == ""


def in_image(command: Command, *words: str) -> tuple[int, str, str]:
    done = command("run", "--image", IMAGE, *words)
    return done.returncode, done.stdout, done.stderr


def agent_pid(command: Command) -> int:
    """The daemon, not its launcher."""
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "agent" in words and str(command.home) in words and "a1" in words:
            return int(process.pid)
    return 0


def test_a_command_in_an_image_has_its_output_and_its_code(cluster: Command) -> None:
    assert in_image(cluster, "--", "echo", "hi") == (0, "hi\n", "")
    script = "echo out; echo err >&2; exit 7"
    assert in_image(cluster, "--", "sh", "-c", script) == (7, "out\n", "err\n")
    assert in_image(cluster, "--", "sh", "-c", "kill -TERM $$")[0] == 128 + signal.SIGTERM
    assert (
        in_image(cluster, "--gpus", "1", "--", "sh", "-c", "echo $FAIRLEAD_GPUS")[1][:5] == "fake-"
    )
    volume = ("--volume", "/usr/share:/in:ro")
    assert in_image(cluster, *volume, "--", "ls", "/in/doc")[0] == 0
    assert cluster.json("agents", "list")[0]["attributes"]["docker"] == "true"

    for flags, why in {
        (IMAGE, "--", "nope"): "cannot run 'nope': no such file in PATH",
        ("nowhere:1", "--", "true"): "the image nowhere:1 is not on this agent's machine",
        (IMAGE, "--volume", "/etc", "--", "true"): "volume /etc is not allowed on this agent",
        (IMAGE, "--volume", "/usr/share", "--", "true"): "volume /usr/share may only be read here",
    }.items():
        done = cluster("run", "--image", *flags)
        assert done.returncode == 127
        assert why in done.stderr


def test_an_agent_that_was_killed_finds_its_docker_tasks_again(cluster: Command) -> None:
    script = "echo before; while [ ! -e go ]; do sleep 0.05; done; echo after; exit 9"
    with cluster.started("run", "--image", IMAGE, "--", "sh", "-c", script) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "before\n"
        (sandbox,) = Home(cluster.home).agent("a1").sandboxes.glob("*/*/*")
        before = agent_pid(cluster)
        psutil.Process(before).send_signal(signal.SIGKILL)
        (sandbox / "go").touch()
        assert running.communicate(timeout=60)[0] == "after\n"
        assert running.returncode == 9
    until("another agent runs", lambda: agent_pid(cluster) not in {0, before})


def test_an_engine_that_hangs_makes_only_its_own_tasks_wait(
    cluster: Command, docker_engine: Engine
) -> None:
    kept = cluster.ok("run", "--detach", "--image", IMAGE, "--", "sleep", "60").strip()
    cluster.until_task(kept, "RUNNING")
    docker_engine.send(signal.SIGSTOP)
    try:
        with cluster.started("run", "--image", IMAGE, "--", "echo", "late") as waiting:
            silence = time.monotonic() + 12.0  # longer than a silent agent stays CONNECTED
            while time.monotonic() < silence:
                assert cluster.ok("run", "--", "echo", "plain") == "plain\n"
                assert cluster.json("agents", "list")[0]["state"] == "CONNECTED"
            cluster.ok("tasks", "kill", kept)
            assert waiting.poll() is None
            docker_engine.send(signal.SIGCONT)
            assert waiting.communicate(timeout=60)[0] == "late\n"
            assert waiting.returncode == 0
    finally:
        docker_engine.send(signal.SIGCONT)
    assert cluster.until_task(kept, "KILLED", "FAILED")["state"] == "KILLED"


def test_a_daemon_that_is_killed_costs_no_task(cluster: Command, docker_engine: Engine) -> None:
    script = "echo one; while [ ! -e go ]; do sleep 0.05; done; echo two; exit 4"
    with cluster.started("run", "--image", IMAGE, "--", "sh", "-c", script) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "one\n"
        docker_engine.kill()
        (sandbox,) = Home(cluster.home).agent("a1").sandboxes.glob("*/*/*")
        (sandbox / "go").touch()
        assert running.stdout.readline() == "two\n"  # logs are files, whatever the engine does
        docker_engine.start()
        assert running.wait(60) == 4
        running.communicate()


def test_without_an_engine_nobody_waits(fairlead_home: Path) -> None:
    command = Command(fairlead_home)
    command.ok("up", "--detach", "--docker", "none")
    try:
        done = command("run", "--image", IMAGE, "--", "true")
        assert done.returncode == 80
        assert "no agent runs containers" in done.stderr
        assert command.ok("run", "--", "echo", "plain") == "plain\n"
    finally:
        command.ok("down")
