"""The cluster of docker-compose.yml, really brought up with Debian's docker-compose.

Its images are built where no package index is reached: the wheels are made outside and given.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.support.command import until
from tests.support.docker_engine import CACHE, IMAGE, Engine, NoEngineError

ROOT = Path(__file__).parents[2]
PROJECT = "fairlead-test"
UP_S, STEP_S = 300.0, 120.0


class Compose:
    """One project: its containers, and a shell beside them for quick questions."""

    def __init__(self, engine: Engine, place: Path) -> None:
        self.engine = engine
        self.data = place / "data"
        self._context = place / "context"
        self._environment = {
            **{key: value for key, value in os.environ.items() if "FAIRLEAD" not in key},
            "DOCKER_HOST": engine.host,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "COMPOSE_HTTP_TIMEOUT": "120",
            "BASE": IMAGE,
            "FAIRLEAD_DIR": str(self.data),
            "DOCKER_SOCKET": str(engine.socket),
            "DOCKER_GID": str(engine.socket.stat().st_gid),
        }
        copy_sources(self._context)
        shutil.copytree(wheels(), self._context / "wheels")

    def __call__(self, *words: str, stdin: str = "", timeout_s: float = STEP_S) -> str:
        """What `docker-compose …` prints on stdout; it must succeed."""
        done = subprocess.run(
            ["docker-compose", *words],
            cwd=self._context,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @contextmanager
    def shell(self) -> Iterator["Shell"]:
        """In a container of the service `cli`."""
        name = f"{PROJECT}-shell"
        argv = ("run", "--detach", "--no-deps", "--name", name, "--entrypoint", "sleep")
        self(*argv, "cli", "infinity")
        yield Shell(self.engine, name)
        self.engine.docker("rm", "--force", name)

    def containers(self, service: str) -> list[str]:
        """Ids."""
        return self("ps", "--quiet", service).split()

    def inspect(self, container: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.engine.docker("inspect", container))[0]
        return found

    def is_healthy(self, container: str) -> bool:
        state = self.inspect(container)["State"]
        return bool(state["Running"] and state["Health"]["Status"] == "healthy")

    def serves(self, container: str) -> bool:
        """By its own health check, asked now: the engine's turn comes every 10 s only."""
        _, check = self.inspect(container)["Config"]["Healthcheck"]["Test"]
        return self.engine.docker("exec", container, "sh", "-c", check, check=False) == "ok"

    def kill(self, container: str) -> None:
        """With -9, behind the engine's back; it starts it again."""
        before = self.inspect(container)
        os.kill(before["State"]["Pid"], signal.SIGKILL)
        count = before["RestartCount"]
        until(
            f"{before['Name']} is started again",
            lambda: self.inspect(container)["RestartCount"] > count,
            STEP_S,
        )
        until(f"{before['Name']} serves", lambda: self.serves(container), STEP_S)

    def remove(self) -> None:
        """All of it at once; `docker-compose down` asks one after the other to end."""
        of_project = f"--filter=label=com.docker.compose.project={PROJECT}"
        if containers := self.engine.docker("ps", "--all", "--quiet", of_project).split():
            self.engine.docker("rm", "--force", *containers)
        self.engine.docker("network", "prune", "--force", of_project)
        shutil.rmtree(self.data.parent, ignore_errors=True)

    def logs(self) -> str:
        return self("logs", "--no-color", "--tail=60")


class Shell:
    """Commands in a running container, as its user."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._argv = ["docker", f"--host={engine.host}", "exec", "--interactive", container]

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """Without waiting for it."""
        return subprocess.Popen(
            [*self._argv, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str, stdin: str = "") -> str:
        with self.begin(*words) as process:
            said, complained = process.communicate(stdin, timeout=STEP_S)
        assert process.returncode == 0, f"{words}: {process.returncode}\n{said}\n{complained}"
        return said

    def rows(self, *words: str) -> list[Mapping[str, Any]]:
        """What a list is as JSON."""
        found: list[Mapping[str, Any]] = json.loads(self("fairlead", *words, "-o", "json"))
        return found


def copy_sources(target: Path) -> None:
    """What is in the repository, or will be, without what lies about beside it."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", ":!tests"]
    listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        source, path = ROOT / name, target / name
        if source.is_symlink() or source.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, path, follow_symlinks=False)


def wheels() -> Path:
    """Of all that Fairlead needs, by pip; made once on a machine."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = [*wanted["project"]["dependencies"], *wanted["build-system"]["requires"]]
    key = sha256(repr((names, sys.version_info[:2])).encode()).hexdigest()[:16]
    there = CACHE / f"wheels-{key}"
    if not there.exists():
        draft = CACHE / f"draft-{there.name}-{os.getpid()}"
        argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(draft)]
        made = subprocess.run([*argv, *names], capture_output=True, text=True, check=False)
        if made.returncode:
            raise NoEngineError(f"no wheels can be made: {made.stderr.strip()[-300:]}")
        draft.rename(there)
    return there


@contextmanager
def compose_of(engine: Engine, place: Path) -> Iterator[Compose]:
    """Built and brought up; nothing of it is left."""
    compose = Compose(engine, place)
    try:
        compose("build", "cli", timeout_s=UP_S)
        compose("up", "--detach", timeout_s=UP_S)
        yield compose
    finally:
        print(compose.logs())  # noqa: T201 - pytest shows it when a test has failed
        compose.remove()
