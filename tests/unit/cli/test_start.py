"""What is said of a cluster that does not come up."""

from pathlib import Path

from fairlead.cli.plan import Wanted, make_plan
from fairlead.cli.start import _why
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
