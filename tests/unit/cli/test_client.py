"""What the command says of those whom it asked in vain."""

from pathlib import Path

from fairlead.cli.client import Place, explain
from fairlead.common.errors import UnavailableError
from fairlead.common.home import Home


def test_whoever_is_away_is_not_taken_for_the_master(tmp_path: Path) -> None:
    place = Place(Home(tmp_path), "127.0.0.1:1", "token")
    assert (
        "start it again: fairlead up" in explain(UnavailableError("x"), place, "127.0.0.1:1").hint
    )
    of_an_agent = explain(UnavailableError("x"), place, "127.0.0.1:2")
    assert of_an_agent.message == "nobody answers at 127.0.0.1:2"
    assert "try once more" in of_an_agent.hint
