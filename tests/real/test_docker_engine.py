"""The engine of the tests is one: it runs a program, and takes over what a killed one left."""

import signal

from tests.support.docker_engine import IMAGE, Engine


def test_it_runs_a_program_and_outlives_its_daemon(docker_engine: Engine) -> None:
    assert docker_engine.docker("run", "--rm", IMAGE, "echo", "hi") == "hi"
    name = docker_engine.docker("run", "--detach", IMAGE, "sleep", "60")
    docker_engine.end(signal.SIGKILL)
    docker_engine.start()
    assert docker_engine.docker("ps", "--quiet", "--no-trunc") == name
    docker_engine.remove_containers()
    assert docker_engine.docker("ps", "--all", "--quiet") == ""
