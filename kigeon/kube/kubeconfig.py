"""Reads kubeconfig files as kubectl does: merges several, makes paths absolute, and limits an exec plugin's time.

The kubernetes package merges otherwise than kubectl (of several current contexts the last one wins), and waits for a
plugin for ever.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from kigeon.errors import PluginFailed, shorten

PLUGIN_TIMEOUT = 30.0
"""Seconds for an exec plugin, which may have to ask a server, but no human who types."""

_LISTS = ("clusters", "contexts", "users")
_PATHS = {"cluster": ("certificate-authority",), "user": ("client-certificate", "client-key", "tokenFile")}


def read_kubeconfigs(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the files *paths*, merged into one config; of two entries with one name, the first counts.

    Raises OSError, :class:`yaml.YAMLError`, or :class:`ValueError`, whose text repeats no word of the files.
    """
    merged: dict[str, Any] = {}
    for path in paths:
        found = yaml.safe_load(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"{path} is not a kubeconfig")
        for kind in _LISTS:
            entries = found.get(kind) or []
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise ValueError(f"{path}: {kind} is not a list of entries")
            known = {entry.get("name") for entry in merged.setdefault(kind, [])}
            merged[kind] += [
                _absolute(entry, path.absolute().parent) for entry in entries if entry.get("name") not in known
            ]
        for key in found.keys() - set(_LISTS):
            if found[key] not in (None, ""):
                merged.setdefault(key, found[key])
    return merged


def _absolute(entry: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return *entry* with its relative paths made absolute, below *folder*."""
    entry = dict(entry)
    for kind, keys in _PATHS.items():
        inner = entry.get(kind)
        if isinstance(inner, dict):
            paths = {key: str(folder / inner[key]) for key in keys if isinstance(inner.get(key), str) and inner[key]}
            entry[kind] = {**inner, **paths}
    plugin = entry["user"].get("exec") if isinstance(entry.get("user"), dict) else None
    command = plugin.get("command") if isinstance(plugin, dict) else None
    if isinstance(plugin, dict) and isinstance(command, str) and "/" in command:
        entry["user"]["exec"] = {**plugin, "command": str(folder / command)}
    return entry


def active(config: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the ``cluster`` or the ``user`` of the current context, or an empty entry where there is none."""
    context = _named(config, "contexts", config.get("current-context")).get("context")
    name = context.get(kind) if isinstance(context, dict) else None
    found = _named(config, f"{kind}s", name).get(kind)
    return found if isinstance(found, dict) else {}


def _named(config: dict[str, Any], kind: str, name: Any) -> dict[str, Any]:
    return next((entry for entry in config.get(kind, ()) if name and entry.get("name") == name), {})


def with_plugin(config: dict[str, Any]) -> tuple[dict[str, Any], float | None]:
    """Return *config* with the credentials that the current user's exec plugin gives, and until when these are valid.

    The time is in seconds since the epoch, None for no end. Raises :class:`PluginFailed` where the plugin fails.
    """
    user = active(config, "user")
    plugin = user.get("exec")
    if not isinstance(plugin, dict):
        return config, None
    status = _run(plugin, active(config, "cluster"))
    given: dict[str, Any] = {key: value for key, value in user.items() if key != "exec"}
    if isinstance(status.get("token"), str):
        given["token"] = status["token"]
    for said, key in (("clientCertificateData", "client-certificate-data"), ("clientKeyData", "client-key-data")):
        if isinstance(status.get(said), str):
            given[key] = base64.b64encode(status[said].encode()).decode()
    if given.keys() == user.keys() - {"exec"}:
        raise PluginFailed(f"the exec plugin {plugin.get('command')} gave neither a token nor a certificate")
    return without_plugin(config, given), _time(status.get("expirationTimestamp"))


def without_plugin(config: dict[str, Any], given: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return *config* with *given* in place of the current user's entry, by default without any credentials."""
    user = active(config, "user")
    return {
        **config,
        "users": [{**entry, "user": given or {}} if entry.get("user") is user else entry for entry in config["users"]],
    }


def _run(plugin: dict[str, Any], cluster: dict[str, Any]) -> dict[str, Any]:
    """Run an exec *plugin*; return the status of its answer."""
    command = [str(plugin.get("command") or ""), *map(str, plugin.get("args") or ())]
    said = {str(each["name"]): str(each["value"]) for each in plugin.get("env") or () if isinstance(each, dict)}
    environ = {**os.environ, **said, "KUBERNETES_EXEC_INFO": json.dumps(_info(plugin, cluster))}
    if plugin.get("interactiveMode") == "Always":
        raise PluginFailed(f"the exec plugin {command[0]} wants a terminal, and kigeon has none")
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
            start_new_session=True,
        )
    except OSError as error:
        raise PluginFailed(f"the exec plugin {command[0]} can't be run: {error.strerror}") from None
    with process:
        try:
            answer, errors = process.communicate(timeout=PLUGIN_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise PluginFailed(f"the exec plugin {command[0]} did not answer in {PLUGIN_TIMEOUT:.0f} s") from None
        finally:
            # A process that the plugin started has inherited its pipes, and may hold them open.
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise PluginFailed(f"the exec plugin {command[0]} ended with {process.returncode}: {shorten(errors, 200)}")
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("apiVersion") != plugin.get("apiVersion"):
        raise PluginFailed(f"the exec plugin {command[0]} did not answer with an ExecCredential of its apiVersion")
    status = found.get("status")
    return status if isinstance(status, dict) else {}


def _info(plugin: dict[str, Any], cluster: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        known = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
        spec["cluster"] = {key: cluster[key] for key in known if key in cluster}
        for extension in cluster.get("extensions") or ():
            if extension.get("name") == "client.authentication.k8s.io/exec":
                spec["cluster"]["config"] = extension.get("extension")
    return {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": spec}


def _time(stamp: Any) -> float | None:
    try:
        return datetime.fromisoformat(stamp).timestamp() if isinstance(stamp, str) else None
    except ValueError:
        return None
