"""Loki's push request as protobuf messages. Source: pkg/push/push.proto of grafana/loki, package logproto.

=================== ==========================================================================================
PushRequest         streams = 1: repeated StreamAdapter
StreamAdapter       labels = 1: text, ``{app="web", type="Normal"}``; entries = 2: repeated EntryAdapter
EntryAdapter        timestamp = 1: Timestamp; line = 2: text; structuredMetadata = 3: repeated LabelPairAdapter
LabelPairAdapter    name = 1: text; value = 2: text
Timestamp           seconds = 1: int64, since the epoch; nanos = 2: int32, never below 0
=================== ==========================================================================================

Timestamp has the wire format of google.protobuf's own. The field ``hash`` of StreamAdapter is left out: Loki computes
it. The runtime is protobuf's, in C. It takes 4 MiB of memory, so this module is imported only where it is needed.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "logproto"
_TEXT, _INT32, _INT64 = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_INT64,
)


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="kigeon/push.proto", package=_PACKAGE, syntax="proto3")

    def message(name: str, /, **fields: FieldDescriptorProto.Type.ValueType | str) -> None:
        """Add a message whose fields are numbered in their order; a field whose kind is a message is repeated."""
        added = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            one = added.field.add(name=field, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            if isinstance(kind, str):
                one.type, one.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
                if kind != "Timestamp":
                    one.label = FieldDescriptorProto.LABEL_REPEATED
            else:
                one.type = kind

    message("PushRequest", streams="StreamAdapter")
    message("StreamAdapter", labels=_TEXT, entries="EntryAdapter")
    message("EntryAdapter", timestamp="Timestamp", line=_TEXT, structuredMetadata="LabelPairAdapter")
    message("LabelPairAdapter", name=_TEXT, value=_TEXT)
    message("Timestamp", seconds=_INT64, nanos=_INT32)
    return file


def _request() -> Any:
    # A separate pool: another package in this process may define Loki's messages under the same names.
    pool = DescriptorPool()
    pool.AddSerializedFile(_file().SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.PushRequest"))


PushRequest = _request()
"""The class of a push request. Typed as Any: its fields are known only at run time."""
