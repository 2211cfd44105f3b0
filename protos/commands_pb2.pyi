from fairlead.protos import tasks_pb2 as _tasks_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitCommand(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _tasks_pb2.TaskInfo
    def __init__(self, task: _Optional[_Union[_tasks_pb2.TaskInfo, _Mapping]] = ...) -> None: ...

class CommandSubmitted(_message.Message):
    __slots__ = ("framework_id", "task_id")
    FRAMEWORK_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    framework_id: str
    task_id: str
    def __init__(self, framework_id: _Optional[str] = ..., task_id: _Optional[str] = ...) -> None: ...

class WithdrawCommand(_message.Message):
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class CommandWithdrawn(_message.Message):
    __slots__ = ("was_waiting",)
    WAS_WAITING_FIELD_NUMBER: _ClassVar[int]
    was_waiting: bool
    def __init__(self, was_waiting: _Optional[bool] = ...) -> None: ...

class SubmittedCommand(_message.Message):
    __slots__ = ("task", "launch_uuid", "agent_id", "number", "launches", "is_withdrawn")
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAUNCH_UUID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAUNCHES_FIELD_NUMBER: _ClassVar[int]
    IS_WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    task: _tasks_pb2.TaskInfo
    launch_uuid: str
    agent_id: str
    number: int
    launches: int
    is_withdrawn: bool
    def __init__(self, task: _Optional[_Union[_tasks_pb2.TaskInfo, _Mapping]] = ..., launch_uuid: _Optional[str] = ..., agent_id: _Optional[str] = ..., number: _Optional[int] = ..., launches: _Optional[int] = ..., is_withdrawn: _Optional[bool] = ...) -> None: ...
