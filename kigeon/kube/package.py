"""What kigeon uses of the kubernetes package, imported without what that brings and kigeon does not use.

The package imports its clients for streams and leader election, pydantic for models, and oauthlib for tokens of OpenID
Connect: 11 MiB together (kubernetes 37), where what kigeon uses takes 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Generic, TypeVar

from kigeon.lean import deferring, forget, standing_in

UNUSED = tuple(
    f"kubernetes.{name}"
    for name in ("dynamic", "informer", "leaderelection", "stream", "utils.create_from_yaml", "watch")
)


def _session(*arguments: Any, **named: Any) -> Any:
    """Make a session of OAuth 2, which a kubeconfig with an OpenID Connect provider may need once a token expires."""
    return import_module("requests_oauthlib").OAuth2Session(*arguments, **named)


T = TypeVar("T")


class _Response(Generic[T]):
    """Stands for what the package makes of an answer; kigeon reads answers itself."""


class _SecretStr:
    """Nothing is of this class: the package looks for pydantic's where it makes a body of a model."""


@contextmanager
def _lean() -> Iterator[None]:
    """Import the package without what is not used; another version of it may use more, and is imported with all."""
    try:
        with (
            deferring(*UNUSED, "oauthlib.oauth2"),
            standing_in("requests_oauthlib", OAuth2Session=_session),
            standing_in("pydantic", SecretStr=_SecretStr),
            standing_in("kubernetes.client.api_response", ApiResponse=_Response, T=T),
        ):
            import_module("kubernetes.config")
    except Exception:  # noqa: BLE001 - whatever comes of missing what is not there
        forget("kubernetes")
    yield


with _lean():
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.client.rest import should_bypass_proxies
    from kubernetes.config import load_kube_config_from_dict
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.incluster_config import SERVICE_CERT_FILENAME, SERVICE_TOKEN_FILENAME, InClusterConfigLoader

__all__ = [
    "SERVICE_CERT_FILENAME",
    "SERVICE_TOKEN_FILENAME",
    "ApiClient",
    "ConfigException",
    "Configuration",
    "InClusterConfigLoader",
    "load_kube_config_from_dict",
    "should_bypass_proxies",
]
