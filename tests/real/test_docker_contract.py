"""The contract of every containerizer, kept by a real Docker engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.test_containerizers import (
    directory,
    test_a_command_that_does_not_exist_is_named,
    test_a_death_by_signal_is_no_exit_code,
    test_a_launch_is_done_once_per_uuid,
    test_a_signal_reaches_the_task,
    test_an_exit_code_is_told_once,
    test_destroy_kills_and_is_idempotent,
    test_files_lie_in_the_sandbox_and_nowhere_else,
    test_limits_change_but_never_below_what_it_uses,
    test_nothing_is_lost_when_it_ends_while_it_is_suspended,
    test_says_how_it_isolates,
    test_tasks_outlive_the_containerizer,
    test_usage_and_processes_are_told_while_it_is_suspended,
    test_usage_is_sampled_while_it_runs,
    test_what_is_forgotten_is_not_found_again,
    test_what_is_not_known_is_found_too,
    test_what_is_suspended_does_not_run,
    test_what_is_suspended_stays_so_without_launcher_and_agent,
    test_who_needs_more_memory_than_it_may_have_ends,
    test_whoever_does_not_run_is_not_suspended_either,
    test_without_launcher_and_agent_tasks_are_found_again,
    test_without_the_launcher_an_exit_is_unknown,
)
from tests.support.docker_engine import Engine
from tests.support.docker_machine import DockerMachine

__all__ = [
    "directory",
    "test_a_command_that_does_not_exist_is_named",
    "test_a_death_by_signal_is_no_exit_code",
    "test_a_launch_is_done_once_per_uuid",
    "test_a_signal_reaches_the_task",
    "test_an_exit_code_is_told_once",
    "test_destroy_kills_and_is_idempotent",
    "test_files_lie_in_the_sandbox_and_nowhere_else",
    "test_limits_change_but_never_below_what_it_uses",
    "test_nothing_is_lost_when_it_ends_while_it_is_suspended",
    "test_says_how_it_isolates",
    "test_tasks_outlive_the_containerizer",
    "test_usage_and_processes_are_told_while_it_is_suspended",
    "test_usage_is_sampled_while_it_runs",
    "test_what_is_forgotten_is_not_found_again",
    "test_what_is_not_known_is_found_too",
    "test_what_is_suspended_does_not_run",
    "test_what_is_suspended_stays_so_without_launcher_and_agent",
    "test_who_needs_more_memory_than_it_may_have_ends",
    "test_whoever_does_not_run_is_not_suspended_either",
    "test_without_launcher_and_agent_tasks_are_found_again",
    "test_without_the_launcher_an_exit_is_unknown",
]


@pytest.fixture
def machine(docker_engine: Engine, directory: Path) -> Iterator[DockerMachine]:
    yield DockerMachine(directory, docker_engine)
    docker_engine.remove_containers()
