"""What a task finds in its environment, and what it cannot choose."""

from dataclasses import replace

from fairlead.agent.environment import environment_of
from fairlead.agent.events import StartContainer
from fairlead.common.ids import FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.resources import Resources
from fairlead.common.values import Command, Container, TaskInfo

START = StartContainer(
    LaunchUuid("u1"),
    FrameworkId("f1"),
    TaskInfo(TaskId("t1"), "t1", Command(("true",), {"PATH": "/mine"}), Resources()),
    Resources(),
    Role("default"),
    "/srv/s",
)


def test_nothing_of_the_agent_s_own_but_path_and_language() -> None:
    own = {"PATH": "/bin", "LANG": "de_DE.UTF-8", "SECRET": "1", "PYTHONPATH": "/x"}
    bare = replace(START, task=replace(START.task, command=Command(("true",))))
    assert environment_of(bare, own) == {
        "PATH": "/bin",
        "LANG": "de_DE.UTF-8",
        "HOME": "/srv/s",
        "FAIRLEAD_TASK_ID": "t1",
        "FAIRLEAD_FRAMEWORK_ID": "f1",
        "FAIRLEAD_LAUNCH_UUID": "u1",
        "FAIRLEAD_SANDBOX": "/srv/s",
        "FAIRLEAD_GPUS": "",
        "CUDA_VISIBLE_DEVICES": "",
    }
    assert environment_of(START, own)["PATH"] == "/mine"


def test_an_image_brings_its_own_path_and_language() -> None:
    task = replace(START.task, command=Command(("true",)), container=Container("i"))
    assert not {"PATH", "LANG"} & environment_of(replace(START, task=task)).keys()
    task = replace(task, command=Command(("true",), {"PATH": "/mine"}))
    assert environment_of(replace(START, task=task))["PATH"] == "/mine"


def test_cuda_is_told_of_real_devices_only() -> None:
    gpus = Resources.of(gpus={"GPU-1": 1, "fake-0": 0.5})
    environment = environment_of(replace(START, resources=gpus), {})
    assert environment["FAIRLEAD_GPUS"] == "GPU-1,fake-0"
    assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    assert environment["FAIRLEAD_FAKE_GPUS"] == "/srv/s/fake-gpus"


def test_what_was_given_is_above_what_is_asked_for() -> None:
    wish = Command(("true",), {"CUDA_VISIBLE_DEVICES": "0", "FAIRLEAD_TASK_ID": "other"})
    environment = environment_of(replace(START, task=replace(START.task, command=wish)), {})
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert environment["FAIRLEAD_TASK_ID"] == "t1"
