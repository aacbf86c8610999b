"""What an operator can do about the errors of an external JetStream. Pure."""

from __future__ import annotations

import re

_CURES = (
    (
        r"authorization violation|authorization failed|authentication",
        "check the credentials that queue names: user, password, token, credentialsFile",
    ),
    (
        r"credentials can't be read|nkey|invalid user credentials",
        "queue.credentialsFile is to hold a user's JWT and NKey seed, as `nsc generate creds` writes them",
    ),
    (
        r"permissions violation",
        "grant the account's user what docs/scaling.md lists: the subject is in the message",
    ),
    (
        r"wants a certificate|certificate required|bad certificate|unknown ca|handshake failure",
        "the server wants a certificate that it trusts: queue.tlsConfig.certFile and keyFile",
    ),
    (
        r"certificate verify failed|certificate",
        "name the authority of the servers' certificates in queue.tlsConfig.caFile, and each server as its certificate",
    ),
    (
        r"speaks no tls",
        "turn TLS on at the server, or begin queue.url with nats:// where the way to it is safe",
    ),
    (
        r"ssl|tls",
        "see that the server speaks TLS as queue.url says, and which versions of it",
    ),
    (
        r"or newer is needed",
        "update the servers: an older one may lose events that it has acknowledged when the power fails",
    ),
    (
        r"jetstream is off",
        "turn JetStream on at every server that queue.url names (jetstream { … })",
    ),
    (
        r"not enabled for account|10039",
        "turn JetStream on for the account (jetstream: enabled)",
    ),
    (
        r"takes messages of at most",
        "set max_payload: 8MB at the servers",
    ),
    (
        r"non-clustered mode|no suitable peers|10005|10074",
        "run as many servers with JetStream as queue.replicas says, with room, or lower queue.replicas",
    ),
    (
        r"insufficient (storage )?resources|10023|10047",
        "give the servers more room for files (jetstream.max_file_store), or lower queue.eventsMaxBytes",
    ),
    (
        r"resource limits exceeded|10002|maximum number of streams|10026|10027",
        "raise the account's JetStream limits (storage, streams, consumers), or lower queue.eventsMaxBytes",
    ),
    (
        r"is not kigeon's|exists with other settings",
        "delete or rename that stream, or give this kigeon a queue.name of its own",
    ),
    (
        r"subjects? overlap|10065",
        "another stream has kigeon's subjects: give this kigeon a queue.name of its own",
    ),
    (
        r"not available at this server",
        "see that this server reaches the others, and that more than half of them run; kigeon tries the others",
    ),
    (
        r"no server answers for a stream|not available|10008|no response from stream|no stream response",
        "see that more than half of the servers run and reach one another; kigeon goes on by itself",
    ),
    (
        r"times out|timeout",
        "see whether the servers' disks are full or slow (`nats server report jetstream`)",
    ),
    (
        r"name or service not known|nodename|name resolution|no address",
        "check the hosts' names in queue.url",
    ),
    (
        r"refused|unreachable|eof|empty response|reset|connect call|stale|connection lost|nobody answers|not answer",
        "check queue.url, that the servers run, and that no firewall or NetworkPolicy is in between",
    ),
)


def cure_of(error: BaseException | str) -> str:
    """Return a cure of *error*, as far as the error's text suggests one."""
    said = str(error) or type(error).__name__
    for pattern, cure in _CURES:
        if re.search(pattern, said, re.IGNORECASE):
            return cure
    return "see the log of the NATS servers"
