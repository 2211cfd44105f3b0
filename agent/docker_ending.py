"""Ends the Docker tasks of an agent that has ended itself: for `fairlead down`, which may wait."""

import signal
import time
from contextlib import suppress
from pathlib import Path

from fairlead.common.errors import ContainerError

from .docker_start import engine_of, forget_engine

CALL_S = 10
POLL_S = 0.05


def end_docker_tasks(work_dir: Path, grace_s: float) -> int:
    """Gently at first; nothing is left of them. Says how many ran. ContainerError if their engine
    cannot be asked.
    """
    host = engine_of(work_dir)
    if not host:
        return 0
    from docker.api.client import APIClient  # noqa: PLC0415 - imports the SDK
    from docker.errors import APIError, DockerException  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415 - as above

    from .docker_policy import PLACE_LABEL  # noqa: PLC0415 - as above

    label = f"{PLACE_LABEL}={work_dir.resolve()}"
    try:
        client = APIClient(base_url=host, version="auto", timeout=CALL_S)
        try:
            running = [each["Id"] for each in client.containers(filters={"label": label})]
            for container in running:
                with suppress(APIError):  # ended meanwhile
                    client.kill(container, int(signal.SIGTERM))
            deadline = time.monotonic() + grace_s
            while client.containers(filters={"label": label}) and time.monotonic() < deadline:
                time.sleep(POLL_S)
            for each in client.containers(all=True, filters={"label": label}):
                with suppress(APIError):  # somebody else removes it
                    client.remove_container(each["Id"], force=True, v=True)
        finally:
            client.close()
    except (DockerException, RequestException, OSError):
        raise ContainerError(
            f"the Docker engine at {host} does not answer, so its tasks were left alone; "
            f"end them with: docker ps -aq --filter label={label} | xargs docker rm --force"
        ) from None
    forget_engine(work_dir)
    return len(running)
