"""Loki's push request in protobuf, apart from kigeon's own: its schema is read from the text that Loki has of it.

A push of either encoding becomes what a push in JSON holds: labels as a mapping, values as lists of two or three.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cramjam
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import DESCRIPTOR as TIMESTAMP

PUSH_PROTO = """
message PushRequest {
  repeated StreamAdapter streams = 1;
}
message StreamAdapter {
  string labels = 1;
  repeated EntryAdapter entries = 2;
  uint64 hash = 3;
}
message EntryAdapter {
  google.protobuf.Timestamp timestamp = 1;
  string line = 2;
  repeated LabelPairAdapter structuredMetadata = 3;
}
message LabelPairAdapter {
  string name = 1;
  string value = 2;
}
"""
"""pkg/push/push.proto of grafana/loki, without its options for Go."""

KINDS = {"string": FieldDescriptorProto.TYPE_STRING, "uint64": FieldDescriptorProto.TYPE_UINT64}
LABEL = re.compile(r'\s*([^\s=,{}"]+)\s*=\s*("(?:[^"\\\n\0]|\\.)*")\s*(?:,|$)')
ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)")
SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}


def _request_class() -> Any:
    file = FileDescriptorProto(name="push.proto", package="logproto", syntax="proto3", dependency=[TIMESTAMP.name])
    for name, body in re.findall(r"message (\w+) \{\n(.*?)\}", PUSH_PROTO, re.DOTALL):
        message = file.message_type.add(name=name)
        for repeated, kind, field, number in re.findall(r"(repeated )?(\S+) (\w+) = (\d+);", body):
            added = message.field.add(name=field, number=int(number), label=3 if repeated else 1)
            added.type = KINDS.get(kind, FieldDescriptorProto.TYPE_MESSAGE)
            if kind not in KINDS:
                added.type_name = f".{kind}" if "." in kind else f".logproto.{kind}"
    pool = DescriptorPool()
    pool.AddSerializedFile(TIMESTAMP.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("logproto.PushRequest"))


Request = _request_class()


def read_push(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the streams of *body*, which is compressed; raises ValueError for what is no push."""
    try:
        request = Request.FromString(bytes(cramjam.snappy.decompress_raw(body)))
    except (DecodeError, cramjam.DecompressionError) as error:
        raise ValueError(str(error)) from error
    for stream in request.streams:
        yield {"stream": stream.labels, "values": [_value(entry) for entry in stream.entries]}


def _value(entry: Any) -> tuple[str, str, dict[str, str]]:
    timestamp = entry.timestamp
    metadata = {pair.name: pair.value for pair in entry.structuredMetadata}
    return str(timestamp.seconds * 10**9 + timestamp.nanos), entry.line, metadata


def write_push(streams: Iterable[Mapping[str, Any]]) -> bytes:
    """Return the body of a push of *streams*, which are as in JSON."""
    request = Request()
    for given in streams:
        added = request.streams.add(labels=_braced(given["stream"]))
        for time, line, *more in given["values"]:
            entry = added.entries.add(line=line)
            entry.timestamp.seconds, entry.timestamp.nanos = divmod(int(time), 10**9)
            for name, value in _pairs(more):
                entry.structuredMetadata.add(name=name, value=value)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))


def _pairs(more: Sequence[Mapping[str, str]]) -> Iterable[tuple[str, str]]:
    return more[0].items() if more else ()


def _braced(labels: Mapping[str, str]) -> str:
    def quoted(value: str) -> str:
        return "".join(sign if sign.isalnum() else f"\\U{ord(sign):08x}" for sign in value)

    return "{" + ",".join(f'{name}="{quoted(value)}"' for name, value in labels.items()) + "}"


def read_labels(text: str) -> dict[str, str]:
    """Return the labels of ``{a="b", c="d"}``; raises ValueError for what is no such text."""
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError(f"no braces around labels: {text}")
    found, at, end = {}, 1, len(text) - 1
    while at < end:
        match = LABEL.match(text, at, end)
        if match is None:
            raise ValueError(f"unexpected character in labels at {at}: {text}")
        found[match[1]] = ESCAPE.sub(_unescaped, match[2][1:-1])
        at = match.end()
    return found


def _unescaped(match: re.Match[str]) -> str:
    what = match[1]
    if len(what) > 1:
        return chr(int(what[1:], 16))
    if what not in SHORT:
        raise ValueError(f"unknown escape: {match[0]}")
    return SHORT[what]
