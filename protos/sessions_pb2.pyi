from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Code(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODE_UNSPECIFIED: _ClassVar[Code]
    CODE_OK: _ClassVar[Code]
    CODE_INVALID: _ClassVar[Code]
    CODE_NOT_FOUND: _ClassVar[Code]
    CODE_REFUSED: _ClassVar[Code]
    CODE_UNSUPPORTED: _ClassVar[Code]
    CODE_NOT_SUBSCRIBED: _ClassVar[Code]
    CODE_NOT_LEADER: _ClassVar[Code]
    CODE_SUPERSEDED: _ClassVar[Code]
    CODE_DUPLICATE_AGENT: _ClassVar[Code]
    CODE_FRAMEWORK_REMOVED: _ClassVar[Code]
    CODE_AGENT_REMOVED: _ClassVar[Code]
    CODE_STALE_EPOCH: _ClassVar[Code]
    CODE_WRONG_CLUSTER: _ClassVar[Code]
    CODE_SLOW_CONSUMER: _ClassVar[Code]
    CODE_UNAUTHENTICATED: _ClassVar[Code]
    CODE_SILENT: _ClassVar[Code]
    CODE_SHUTTING_DOWN: _ClassVar[Code]
    CODE_UNREADABLE: _ClassVar[Code]
    CODE_VERSION: _ClassVar[Code]
CODE_UNSPECIFIED: Code
CODE_OK: Code
CODE_INVALID: Code
CODE_NOT_FOUND: Code
CODE_REFUSED: Code
CODE_UNSUPPORTED: Code
CODE_NOT_SUBSCRIBED: Code
CODE_NOT_LEADER: Code
CODE_SUPERSEDED: Code
CODE_DUPLICATE_AGENT: Code
CODE_FRAMEWORK_REMOVED: Code
CODE_AGENT_REMOVED: Code
CODE_STALE_EPOCH: Code
CODE_WRONG_CLUSTER: Code
CODE_SLOW_CONSUMER: Code
CODE_UNAUTHENTICATED: Code
CODE_SILENT: Code
CODE_SHUTTING_DOWN: Code
CODE_UNREADABLE: Code
CODE_VERSION: Code

class Hello(_message.Message):
    __slots__ = ("protocol", "software", "capabilities", "instance_uuid", "attempt")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_UUID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    software: str
    capabilities: _containers.RepeatedScalarFieldContainer[str]
    instance_uuid: str
    attempt: int
    def __init__(self, protocol: _Optional[int] = ..., software: _Optional[str] = ..., capabilities: _Optional[_Iterable[str]] = ..., instance_uuid: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class CallResult(_message.Message):
    __slots__ = ("call_id", "code", "field", "message")
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    call_id: str
    code: Code
    field: str
    message: str
    def __init__(self, call_id: _Optional[str] = ..., code: _Optional[_Union[Code, str]] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: Code
    message: str
    def __init__(self, code: _Optional[_Union[Code, str]] = ..., message: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sequence",)
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    def __init__(self, sequence: _Optional[int] = ...) -> None: ...
