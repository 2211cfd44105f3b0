"""The kinds of name that Fairlead gives to things; used everywhere, so that two kinds never mix."""

from typing import NewType

AgentId = NewType("AgentId", str)
CallId = NewType("CallId", str)
FrameworkId = NewType("FrameworkId", str)
GpuId = NewType("GpuId", str)
LaunchUuid = NewType("LaunchUuid", str)
OfferId = NewType("OfferId", str)
Role = NewType("Role", str)
SessionId = NewType("SessionId", int)
TaskId = NewType("TaskId", str)
UpdateUuid = NewType("UpdateUuid", str)

ANY_GPU = GpuId("")
"""In a request: whichever device."""
