"""Nobody waits for ever: what `python -m fairlead.sim --scenes` plays, and what resolves it."""

import pytest

from fairlead.master.settings import MasterSettings
from fairlead.sim.__main__ import main
from fairlead.sim.auditor import ViolationError
from fairlead.sim.scenes import SCENES, Scene, play

DECLINERS, GANGS, SILENT, GREEDY = SCENES
NEVER_S = 1e6


def test_each_is_resolved_in_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenes"]) == 0
    said = capsys.readouterr().out.splitlines()
    for scene, line in zip(SCENES, said, strict=True):
        assert line.endswith(f"{scene.name}: {scene.needs}")
        assert 0 < float(line.split()[0]) <= scene.within_s


@pytest.mark.parametrize(
    ("scene", "settings"),
    [
        (SILENT, MasterSettings(offer_timeout_s=NEVER_S)),
        (GREEDY, MasterSettings(revoke_after_s=0)),
    ],
    ids=["offers are taken back", "what exceeds a fair share is taken back"],
)
def test_without_what_resolves_it_somebody_waits(scene: Scene, settings: MasterSettings) -> None:
    with pytest.raises(ViolationError, match="nobody waits for ever"):
        play(scene, settings)
