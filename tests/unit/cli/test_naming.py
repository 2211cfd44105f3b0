"""Which task a person means."""

import pytest
from tests.support.states import framework, state, task

from fairlead.cli.naming import find_task
from fairlead.common.errors import ConfigError, NotFoundError

CLUSTER = state(
    framework("commands"),
    framework("batch"),
    task("abc-1"),
    task("abc-10"),
    task("xyz"),
    task("xyz", of="batch"),
    task("w-1", of="batch"),
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("abc-10", "F-commands/abc-10"),
        ("abc-1", "F-commands/abc-1"),  # exact, though it begins another
        ("w", "F-batch/w-1"),
        ("batch/xyz", "F-batch/xyz"),
        ("F-commands/xyz", "F-commands/xyz"),
        ("commands/x", "F-commands/xyz"),
    ],
)
def test_a_name_that_fits_one(name: str, found: str) -> None:
    view = find_task(CLUSTER, name)
    assert f"{view.framework_id}/{view.task_id}" == found


@pytest.mark.parametrize("name", ["nope", "", "batch/abc-1", "nope/xyz", "batch/"])
def test_a_name_that_fits_none(name: str) -> None:
    with pytest.raises(NotFoundError, match="there is no task"):
        find_task(CLUSTER, name)


@pytest.mark.parametrize("name", ["abc", "xyz"])
def test_a_name_that_fits_several_lists_them(name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' may be any of 2 tasks: F-.*/{name}.*, F-"):
        find_task(CLUSTER, name)
