"""The environment that a task starts with: clean, so that nothing of the agent's leaks into it."""

import os
from collections.abc import Mapping

from .events import StartContainer
from .gpus import FAKE_DIRECTORY, FAKE_NAME

_CUDA_NAMES = ("GPU-", "MIG-")
"""How NVIDIA's driver names devices; CUDA would trip over any other name."""
FAKE_GPUS = "FAIRLEAD_FAKE_GPUS"
"""Where a task on fake devices tells what it holds, see `gpus.FakeGpus`."""


def environment_of(start: StartContainer, own: Mapping[str, str] = os.environ) -> dict[str, str]:
    """A few variables of our own, those of the task, and above both what it was given to use."""
    gpus = [gpu_id for gpu_id, _ in start.resources.gpus]
    has_fakes = any(each.startswith(FAKE_NAME) for each in gpus)
    ours = {"PATH": own.get("PATH", os.defpath), "LANG": own.get("LANG", "C.UTF-8")}
    return {
        **(ours if start.task.container is None else {}),  # an image brings its own
        "HOME": start.sandbox,
        **start.task.command.env,
        "FAIRLEAD_TASK_ID": start.task.task_id,
        "FAIRLEAD_FRAMEWORK_ID": start.framework_id,
        "FAIRLEAD_LAUNCH_UUID": start.launch_uuid,
        "FAIRLEAD_SANDBOX": start.sandbox,
        "FAIRLEAD_GPUS": ",".join(gpus),
        **({FAKE_GPUS: f"{start.sandbox}/{FAKE_DIRECTORY}"} if has_fakes else {}),
        "CUDA_VISIBLE_DEVICES": ",".join(each for each in gpus if each.startswith(_CUDA_NAMES)),
    }
