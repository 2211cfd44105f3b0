"""Records and the disk."""

import pytest
from tests.support.agent_harness import AgentHarness

from fairlead.agent.checkpoint import KINDS
from fairlead.common import records
from fairlead.common.errors import RegistryError
from fairlead.common.events import Record
from fairlead.common.ids import FrameworkId, LaunchUuid, Role, TaskId
from fairlead.common.messages import KillTask
from fairlead.common.resources import Resources
from fairlead.common.values import Reserve


def test_there_and_back() -> None:
    kill = KillTask(FrameworkId("f"), TaskId("t"), LaunchUuid("u"), 2.0)
    key, data = records.encode(Record("kill/f/t/u", kill))
    assert data is not None
    assert records.decode({key: data}, KINDS, "x.db") == {key: kill}
    assert records.encode(Record(key, None)) == (key, None)


def test_each_kind_that_the_core_records_is_known() -> None:
    h = AgentHarness().crash().registered().launch("t1", "t2").kill("t1").away(1, 10)
    h.run([Reserve(Role("dl"), Resources.of(cpus=1))])
    h.confirms = False
    h.launch("t3").exits("t2").acknowledge("t2", 1).acknowledge("t2", 2)
    rows = dict(records.encode(Record(key, value)) for key, value in h.records.items())
    assert {key.partition("/")[0] for key in rows} == set(KINDS)
    kept = {k: v for k, v in rows.items() if v is not None}
    assert records.decode(kept, KINDS, "x.db") == h.records


@pytest.mark.parametrize("row", [("kill/f/t/u", b"\xff"), ("nothing/like/this", b"")])
def test_what_cannot_be_used_is_named(row: tuple[str, bytes]) -> None:
    with pytest.raises(RegistryError, match=row[0]):
        records.decode(dict([row]), KINDS, "x.db")
