"""What is said of a cluster that does not come up."""

from pathlib import Path

import pytest

from fairlead.cli.plan import Wanted, make_plan
from fairlead.cli.problems import CommandError
from fairlead.cli.start import _why, check
from fairlead.common.home import Home
from fairlead.common.resources import Resources


def test_the_last_word_of_an_agent_that_is_late_is_passed_on(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.ensure()
    plan = make_plan(home, 5050, Wanted(agents=10), Resources.of(cpus=10, ports=((1, 100),)))
    assert _why(plan, "not there yet: agent a10") == f"look into {home.logs}"
    home.log("a1").write_text("all is well\n")
    home.log("a10").write_text("looking\nthe agent belongs to another cluster\n")
    said = _why(plan, "not there yet: agent a10, framework batch")
    assert said == f"{home.log('a10')} ends with: the agent belongs to another cluster"
    assert _why(plan, "the master does not answer") == f"look into {home.logs}"


def test_an_agent_that_hears_at_the_start_that_it_was_marked_gone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    word = {"event": "failed", "name": "a1", "how": "ended with code 76", "line": "", "log": "LOG"}
    with pytest.raises(CommandError) as before:
        check(word, home)
    assert before.value.hint == "look into LOG"
    home.agent("a1").path.mkdir(parents=True)
    home.agent("a1").removed.touch()
    with pytest.raises(CommandError) as after:
        check(word, home)
    assert after.value.hint == "say it again: the agent has another name then"
