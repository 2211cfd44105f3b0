"""A Docker engine as a machine of the containerizers' contract."""

from pathlib import Path

from tests.contract.test_containerizers import COUNTERS, RealMachine
from tests.support.docker_engine import IMAGE, Engine

from fairlead.agent.containerizer import Containerizer, OnExit
from fairlead.agent.docker_containerizer import DockerContainerizer
from fairlead.agent.docker_engine import DockerEngine
from fairlead.agent.docker_policy import DockerPolicy
from fairlead.common.values import Container

PYTHON = ("python3", "-I", "-S", "-c")


class DockerMachine(RealMachine):
    """Its commands run in containers of the base image."""

    container: Container | None = Container(IMAGE)

    def __init__(self, directory: Path, engine: Engine) -> None:
        super().__init__(directory)
        self.engine = engine
        self.policy = DockerPolicy()

    def containerizer(self, on_exit: OnExit) -> Containerizer:
        engine = DockerEngine(self.engine.host)
        return DockerContainerizer(
            self.directory, on_exit, engine, policy=self.policy, look_s=0.5, usage_s=0.1
        )

    def allocates(self, size: int) -> tuple[str, ...]:
        return (*PYTHON, f"x = bytearray({size})")

    def holds(self, size: int) -> tuple[str, ...]:
        return (
            *PYTHON,
            f"x = bytearray({size}); open('ready', 'w'); import time; time.sleep(60)",
        )

    def counts(self) -> tuple[str, ...]:
        return (*PYTHON, COUNTERS)

    def kill_launcher(self) -> None:
        """The daemon; it is started again as an operating system would."""
        self.engine.kill()
        self.engine.start()
