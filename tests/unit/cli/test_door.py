"""The door is quiet about Ctrl-C, whenever it comes."""

import sys

import pytest

from fairlead.cli.door import main
from fairlead.cli.exits import Exit


def test_ctrl_c_while_it_is_imported_is_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupting:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "fairlead.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "fairlead.cli.main", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == Exit.INTERRUPTED
    assert capsys.readouterr() == ("", "")
