"""Every rule of the file, broken once."""

from pathlib import Path

import pytest

from kigeon.config.queue import MIN_QUEUE_BYTES
from kigeon.senders.registry import TYPES
from tests.config.files import SENDER, problems_of, told

DURATION = "for example 100ms, 5s, 1h30m"
ADDRESS = 'for example 127.0.0.1:8080, ":8080" for every address, "" for none'
SIZE = "for example 500Mi, 1Gi, 1048576"
URL = "for example http://loki-gateway.loki.svc:80"
QUOTES = "put it in quotes"
MAPPING = "must be a mapping of keys to values"
TOP = "known keys: global, queue, pusher, http, eventsenders"
CONFIG = "eventsenders[0].config"
NAME = "must consist of a-z, 0-9 and `-`, at most 63 of them"
FIELDS = (
    "known: name, namespace, level, involved_object_kind, involved_object_name, involved_object_namespace, "
    "involved_object_uid, field_path, reason, type, count, source_component, source_host, event_uid, action, "
    "reporting_component"
)
MANY = "make 15 stream labels with streamLabels: Loki takes 15, `late` among them"
TENANT = "must consist of letters, digits and !-_.*'() as Loki's tenants do"
LOKI_KEYS = (
    "known keys: url, tenantID, streamLabels, basicAuth, tlsConfig, eventLabels, structuredMetadata, encoding, hook"
)

Told = tuple[str, str, str, str]


def loki(url: str) -> str:
    return SENDER.replace("http://loki:3100", url)


def named(name: str) -> str:
    return SENDER.replace("name: loki", f"name: {name}")


def selector(labels: str) -> str:
    return f"{SENDER}  filter:\n    namespaceSelector:\n      matchLabels: {labels}\n"


ONE_PROBLEM: list[tuple[str, Told]] = [
    # The whole file.
    ("", ("eventsenders", "1:1", "is required", "")),
    ("# nothing\n", ("eventsenders", "1:1", "is required", "")),
    ("- name: loki\n", ("", "1:1", MAPPING, "")),
    ("kigeon\n", ("", "1:1", MAPPING, "")),
    ("global: [\n", ("", "2:1", "no YAML: expected the node content, but found '<stream end>'", "")),
    ("global:\n\tlogLevel: info\n", ("", "2:1", "no YAML: found character '\\t' that cannot start any token", "")),
    ("global: {}\n---\nqueue: {}\n", ("", "2:1", "no YAML: but found another document", "")),
    ("a: " + "[" * 5000 + "]" * 5000, ("", "1:1", "is nested too deeply", "")),
    # Keys that nobody knows, at each level.
    (SENDER + "eventsender: []\n", ("eventsender", "6:1", "unknown key", "did you mean `eventsenders`?")),
    (SENDER + "xyz: 1\n", ("xyz", "6:1", "unknown key", TOP)),
    (SENDER + "global:\n  loglevel: info\n", ("global.loglevel", "7:3", "unknown key", "did you mean `logLevel`?")),
    (SENDER + "queue: {maxAge: 1h}\n", ("queue.maxAge", "6:9", "unknown key", "did you mean `eventsMaxAge`?")),
    (SENDER + "pusher:\n  timeout: 1s\n", ("pusher.timeout", "7:3", "unknown key", "did you mean `pushTimeout`?")),
    (SENDER + "  filters: {}\n", ("eventsenders[0].filters", "6:3", "unknown key", "did you mean `filter`?")),
    (
        SENDER + "  filter:\n    includeNonNamespace: true\n",
        ("eventsenders[0].filter.includeNonNamespace", "7:5", "unknown key", "did you mean `includeNonNamespaced`?"),
    ),
    (
        SENDER + "  filter:\n    namespaceSelector:\n      matchLabel: {}\n",
        ("eventsenders[0].filter.namespaceSelector.matchLabel", "8:7", "unknown key", "did you mean `matchLabels`?"),
    ),
    (SENDER + "    tenantId: a\n", (f"{CONFIG}.tenantId", "6:5", "unknown key", "did you mean `tenantID`?")),
    (SENDER + "    zzz: a\n", (f"{CONFIG}.zzz", "6:5", "unknown key", LOKI_KEYS)),
    (
        SENDER + "    basicAuth: {user: a}\n",
        (f"{CONFIG}.basicAuth.user", "6:17", "unknown key", "did you mean `username`?"),
    ),
    (
        SENDER + "    tlsConfig:\n      insecure: true\n",
        (f"{CONFIG}.tlsConfig.insecure", "7:7", "unknown key", "did you mean `insecureSkipVerify`?"),
    ),
    (
        SENDER + "    hook: {script: here.star, onerror: skip}\n",
        (f"{CONFIG}.hook.onerror", "6:31", "unknown key", "did you mean `onError`?"),
    ),
    (
        "eventsenders:\n- name: out\n  type: stdout\n  config: {url: http://x}\n",
        (f"{CONFIG}.url", "4:12", "unknown key", "known keys: hook"),
    ),
    # Keys that are there twice, or are no text.
    (SENDER + "global: {}\nglobal: {}\n", ("global", "7:1", "is there twice", "keep one of the two")),
    (SENDER + "    url: http://loki:3100\n", (f"{CONFIG}.url", "6:5", "is there twice", "keep one of the two")),
    (SENDER + "7: x\n", ("", "6:1", "the key 7 is no text", QUOTES)),
    (SENDER + "yes: x\n", ("", "6:1", "the key yes is no text", QUOTES)),
    (SENDER + "    streamLabels: {[a]: b}\n", (f"{CONFIG}.streamLabels", "6:20", "the key is no text", QUOTES)),
    # Values of another type.
    (SENDER + "global: yes\n", ("global", "6:1", MAPPING, "")),
    (SENDER + "queue: [1]\n", ("queue", "6:1", MAPPING, "")),
    ("eventsenders: {}\n", ("eventsenders", "1:1", "must be a list of at least one sender", "")),
    ("global: {}\neventsenders: []\n", ("eventsenders", "2:1", "must be a list of at least one sender", "")),
    ("eventsenders:\n- loki\n", ("eventsenders[0]", "2:3", MAPPING, "")),
    (SENDER + "global: {dataDir: 7}\n", ("global.dataDir", "6:10", "must be a text", QUOTES)),
    (SENDER + "global: {dataDir: ''}\n", ("global.dataDir", "6:10", "must not be empty", "")),
    (SENDER + "global: {dataDir: }\n", ("global.dataDir", "6:10", "must be a text", "")),
    (
        SENDER + "global: {logLevel: warning}\n",
        ("global.logLevel", "6:10", "must be one of debug, info, warn, error", "did you mean `warn`?"),
    ),
    (
        SENDER + "global: {logFormat: [json]}\n",
        ("global.logFormat", "6:10", "must be one of json, text", "did you mean `json`?"),
    ),
    (
        SENDER + "    encoding: protobuff\n",
        (f"{CONFIG}.encoding", "6:5", "must be one of protobuf, json", "did you mean `protobuf`?"),
    ),
    (SENDER + "    encoding:\n", (f"{CONFIG}.encoding", "6:5", "must be one of protobuf, json", "")),
    (SENDER + "    tenantID: 12\n", (f"{CONFIG}.tenantID", "6:5", "must be a text", QUOTES)),
    (
        SENDER + '    tenantID: "a\\nX-Other: b"\n',
        (f"{CONFIG}.tenantID", "6:5", TENANT, ""),
    ),
    (
        SENDER + "    tlsConfig: {insecureSkipVerify: 'yes'}\n",
        (f"{CONFIG}.tlsConfig.insecureSkipVerify", "6:17", "must be true or false", ""),
    ),
    (SENDER + "    basicAuth: {password: 12345}\n", (f"{CONFIG}.basicAuth.password", "6:17", "must be a text", QUOTES)),
    (
        SENDER + "    eventLabels: reason\n",
        (f"{CONFIG}.eventLabels", "6:5", "must be a list of fields, or a mapping of names to fields", FIELDS),
    ),
    (
        SENDER + "    eventLabels: {kind: involved_objct_kind}\n",
        (f"{CONFIG}.eventLabels.kind", "6:19", "is no field of an event", "did you mean `involved_object_kind`?"),
    ),
    (
        SENDER + "    structuredMetadata: {kind: [reason]}\n",
        (f"{CONFIG}.structuredMetadata.kind", "6:26", "is no field of an event", FIELDS),
    ),
    # Names and numbers of labels, and tenants, as Loki takes them.
    (
        SENDER + "    eventLabels: {a.b: reason}\n",
        (f"{CONFIG}.eventLabels.a.b", "6:19", "is no name of a stream label", ""),
    ),
    (
        SENDER + "    structuredMetadata: {'7': reason}\n",
        (f"{CONFIG}.structuredMetadata.7", "6:26", "is no name of structured metadata", ""),
    ),
    (
        SENDER + "    streamLabels: {__stream_shard__: a}\n",
        (f"{CONFIG}.streamLabels.__stream_shard__", "6:20", "begins with __, as Loki's own labels do", ""),
    ),
    (
        SENDER + "    streamLabels: {late: a}\n",
        (f"{CONFIG}.streamLabels.late", "6:20", "is the label of lines that come late", ""),
    ),
    (
        SENDER + f"    streamLabels: {{{', '.join(f'a{number}: b' for number in range(13))}}}\n",
        (
            f"{CONFIG}.streamLabels",
            "6:5",
            MANY.replace("streamLabels", "eventLabels"),
            "let some be structuredMetadata",
        ),
    ),
    (
        SENDER + f"    eventLabels: {{{', '.join(f'a{number}: name' for number in range(15))}}}\n",
        (f"{CONFIG}.eventLabels", "6:5", MANY, "let some be structuredMetadata"),
    ),
    (
        SENDER + f"    structuredMetadata: {{{', '.join(f'a{number}: name' for number in range(129))}}}\n",
        (f"{CONFIG}.structuredMetadata", "6:5", "are 129: Loki takes 128 of a line", ""),
    ),
    (SENDER + "    tenantID: a/b\n", (f"{CONFIG}.tenantID", "6:5", TENANT, "")),
    (SENDER + "    tenantID: a:b\n", (f"{CONFIG}.tenantID", "6:5", TENANT, "")),
    (SENDER + "    tenantID: tenänt\n", (f"{CONFIG}.tenantID", "6:5", TENANT, "")),
    (SENDER + "    tenantID: ..\n", (f"{CONFIG}.tenantID", "6:5", "must not be `.` or `..`", "")),
    (
        SENDER + f"    tenantID: {'a' * 151}\n",
        (f"{CONFIG}.tenantID", "6:5", "must have at most 150 characters", ""),
    ),
    (
        SENDER + "    tenantID: a|b\n",
        (
            f"{CONFIG}.tenantID",
            "6:5",
            "names several tenants, and a push is for one",
            "a sender for each, or a hook that chooses one",
        ),
    ),
    (
        SENDER + "    eventLabels: [reason, name_space]\n",
        (f"{CONFIG}.eventLabels[1]", "6:27", "is no field of an event", "did you mean `namespace`?"),
    ),
    (
        SENDER + "    structuredMetadata: [7]\n",
        (f"{CONFIG}.structuredMetadata[0]", "6:26", "is no field of an event", FIELDS),
    ),
    (
        SENDER + "    basicAuth: {password: 2026-02-30}\n",
        (f"{CONFIG}.basicAuth.password", "6:27", "can't be read as what it looks like", QUOTES),
    ),
    (
        SENDER + f"    basicAuth: {{password: {'1:' * 300}1.5}}\n",
        (f"{CONFIG}.basicAuth.password", "6:27", "can't be read as what it looks like", QUOTES),
    ),
    # A label's value is measured in bytes, as Loki does.
    (
        SENDER + f"    streamLabels: {{zone: {'é' * 1025}}}\n",
        (f"{CONFIG}.streamLabels.zone", "6:20", "is no value of a stream label", ""),
    ),
    (
        SENDER + '    streamLabels: {zone: "a\\ufffd"}\n',
        (f"{CONFIG}.streamLabels.zone", "6:20", "is no value of a stream label", ""),
    ),
    # Durations and sizes.
    (SENDER + "http: {listen: 8080}\n", ("http.listen", "6:8", "must be a text", "put it in quotes")),
    (SENDER + "http: {listen: localhost}\n", ("http.listen", "6:8", "must be an address with a port", ADDRESS)),
    (SENDER + 'http: {listen: "::1:8080"}\n', ("http.listen", "6:8", "must be an address with a port", ADDRESS)),
    (SENDER + 'http: {listen: ":80800"}\n', ("http.listen", "6:8", "must be an address with a port", ADDRESS)),
    (SENDER + "http: {namespaceLabel: 1}\n", ("http.namespaceLabel", "6:8", "must be true or false", "")),
    (SENDER + "pusher: {pushTimeout: 5}\n", ("pusher.pushTimeout", "6:10", "must be a duration with a unit", DURATION)),
    (SENDER + "pusher: {pushTimeout: 5 s}\n", ("pusher.pushTimeout", "6:10", "`5 s` is no duration", DURATION)),
    (SENDER + "pusher: {pushTimeout: 0}\n", ("pusher.pushTimeout", "6:10", "must be longer than 0", "")),
    (SENDER + "pusher: {pushTimeout: 1ms}\n", ("pusher.pushTimeout", "6:10", "must be at least 0.1s", "")),
    (SENDER + "pusher: {batchWait: 5}\n", ("pusher.batchWait", "6:10", "must be a duration with a unit", DURATION)),
    (SENDER + "pusher: {batchWait: -1s}\n", ("pusher.batchWait", "6:10", "`-1s` is no duration", DURATION)),
    (
        SENDER + "queue: {eventsMaxAge: true}\n",
        ("queue.eventsMaxAge", "6:9", "must be a duration with a unit", DURATION),
    ),
    (
        SENDER + "queue: {kubernetesEventsMaxLifetime: 1d}\n",
        ("queue.kubernetesEventsMaxLifetime", "6:9", "`1d` is no duration", DURATION),
    ),
    (SENDER + "queue: {eventsMaxBytes: 500MB}\n", ("queue.eventsMaxBytes", "6:9", "`500MB` is no size", SIZE)),
    (SENDER + "queue: {eventsMaxBytes: 1.5}\n", ("queue.eventsMaxBytes", "6:9", "must be a size", SIZE)),
    (
        SENDER + "queue: {eventsMaxBytes: 1Mi}\n",
        ("queue.eventsMaxBytes", "6:9", f"must be at least {MIN_QUEUE_BYTES // 2**20}Mi", ""),
    ),
    (
        SENDER + "  filter: {hardRefreshInterval: 30}\n",
        ("eventsenders[0].filter.hardRefreshInterval", "6:12", "must be a duration with a unit", DURATION),
    ),
    # Senders.
    (
        "eventsenders:\n- name: loki\n  type: loki\n  config: {}\n",
        (f"{CONFIG}.url", "4:3", "is required", ""),
    ),
    ("eventsenders:\n- name: loki\n  type: loki\n", (f"{CONFIG}.url", "2:3", "is required", "")),
    ("eventsenders:\n- type: stdout\n", ("eventsenders[0].name", "2:3", "is required", "")),
    ("eventsenders:\n- name: out\n", ("eventsenders[0].type", "2:3", "is required", "")),
    (
        "eventsenders:\n- name: out\n  type: stdot\n",
        ("eventsenders[0].type", "3:3", f"must be one of {', '.join(sorted(TYPES))}", "did you mean `stdout`?"),
    ),
    (named("Loki"), ("eventsenders[0].name", "2:3", NAME, "")),
    (named("a_b"), ("eventsenders[0].name", "2:3", NAME, "")),
    (named("''"), ("eventsenders[0].name", "2:3", NAME, "")),
    (named('"loki\\n"'), ("eventsenders[0].name", "2:3", NAME, "")),
    (named("a" * 64), ("eventsenders[0].name", "2:3", NAME, "")),
    (named("7"), ("eventsenders[0].name", "2:3", "must be a text", QUOTES)),
    (
        "eventsenders:\n- {name: a, type: stdout}\n- {name: b, type: stdout}\n- {name: a, type: stdout}\n",
        ("eventsenders[2].name", "4:4", "is the name of eventsenders[0] too", "names are unique"),
    ),
    # URLs.
    (
        loki("http://loki/loki/api/v1/push"),
        (f"{CONFIG}.url", "5:5", "must be a base URL without path", "/loki/api/v1/push is appended"),
    ),
    (
        loki("http://loki?a=b"),
        (f"{CONFIG}.url", "5:5", "must be a base URL without path", "/loki/api/v1/push is appended"),
    ),
    (
        loki("http://loki?"),
        (f"{CONFIG}.url", "5:5", "must be a base URL without path", "/loki/api/v1/push is appended"),
    ),
    (
        loki("'http://loki#'"),
        (f"{CONFIG}.url", "5:5", "must be a base URL without path", "/loki/api/v1/push is appended"),
    ),
    (loki("http://u:p@loki"), (f"{CONFIG}.url", "5:5", "must not hold credentials", "put them into basicAuth")),
    (loki("http://u@loki"), (f"{CONFIG}.url", "5:5", "must not hold credentials", "put them into basicAuth")),
    (loki("loki:3100"), (f"{CONFIG}.url", "5:5", "must be a URL that begins with http:// or https://", URL)),
    (loki("ftp://loki"), (f"{CONFIG}.url", "5:5", "must be a URL that begins with http:// or https://", URL)),
    (loki("http://"), (f"{CONFIG}.url", "5:5", "must be a URL that begins with http:// or https://", URL)),
    (loki("http://loki:port"), (f"{CONFIG}.url", "5:5", "is no URL", URL)),
    (loki("http://loki:70000"), (f"{CONFIG}.url", "5:5", "is no URL", URL)),
    (loki("'http://[::1'"), (f"{CONFIG}.url", "5:5", "is no URL", URL)),
    (loki("http://lo ki"), (f"{CONFIG}.url", "5:5", "is no URL", URL)),
    (loki('"http://loki\\n"'), (f"{CONFIG}.url", "5:5", "is no URL", URL)),
    (loki("''"), (f"{CONFIG}.url", "5:5", "must not be empty", "")),
    # Labels.
    (
        SENDER + "    streamLabels: {my-app: a}\n",
        (f"{CONFIG}.streamLabels.my-app", "6:20", "is no name of a stream label", ""),
    ),
    (SENDER + "    streamLabels: {zone: 7}\n", (f"{CONFIG}.streamLabels.zone", "6:20", "must be a text", QUOTES)),
    (
        SENDER + "    streamLabels: {zone: ''}\n",
        (f"{CONFIG}.streamLabels.zone", "6:20", "is no value of a stream label", ""),
    ),
    (
        SENDER + "    streamLabels: [zone]\n",
        (f"{CONFIG}.streamLabels", "6:5", "must be a mapping of label names to values", ""),
    ),
    (
        selector("{-a: b}"),
        ("eventsenders[0].filter.namespaceSelector.matchLabels.-a", "8:21", "is no name of a Kubernetes label", ""),
    ),
    (
        selector("{a: 'b c'}"),
        ("eventsenders[0].filter.namespaceSelector.matchLabels.a", "8:21", "is no value of a Kubernetes label", ""),
    ),
    # The environment and the disk.
    (
        SENDER + "    basicAuth:\n      passwordEnvVar: LOKI_PASSWORD\n",
        (
            f"{CONFIG}.basicAuth.passwordEnvVar",
            "7:7",
            "the environment variable LOKI_PASSWORD is not set",
            "set it, or name another",
        ),
    ),
    *(
        (
            SENDER + f"    hook: {{script: here.star, podLookupsPerSecond: {wrong}}}\n",
            (f"{CONFIG}.hook.podLookupsPerSecond", "6:31", "must be a number from 1 to 10000", "for example 200"),
        )
        for wrong in ("0", "-1", "10001", "true", "fast", ".nan")
    ),
    *(
        (
            SENDER + f"    hook: {{script: here.star, workers: {wrong}}}\n",
            (f"{CONFIG}.hook.workers", "6:31", "must be a whole number from 1 to 64", "for example 2"),
        )
        for wrong in ("0", "-1", "65", "2.0", "true", "two", "null")
    ),
    (
        SENDER + "    hook: {script: here.star, skipOnPodNotFound: true}\n",
        (
            f"{CONFIG}.hook.skipOnPodNotFound",
            "6:31",
            "has no meaning without enrichPod",
            "set enrichPod: true as well",
        ),
    ),
    (SENDER + "    hook: {}\n", (f"{CONFIG}.hook.script", "6:5", "is required", "")),
    (
        SENDER + "    hook: {script: here.star, onError: ignore}\n",
        (f"{CONFIG}.hook.onError", "6:31", "must be one of use-default, skip, fail", ""),
    ),
    (
        SENDER + "    hook: {script: here.star, timeout: 0s}\n",
        (f"{CONFIG}.hook.timeout", "6:31", "must be longer than 0", ""),
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), ONE_PROBLEM, ids=[f"{found[0]}-{n}" for n, (_, found) in enumerate(ONE_PROBLEM)]
)
def test_one_problem_is_told_with_its_place_and_its_cure(tmp_path: Path, text: str, expected: Told) -> None:
    (tmp_path / "here.star").touch()
    assert [told(problem) for problem in problems_of(tmp_path, text)] == [expected]
