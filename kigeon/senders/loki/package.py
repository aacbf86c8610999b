"""The package requests, imported without what guesses the encoding of a text.

That takes 1.5 MiB. Loki answers in UTF-8, which is what requests takes a text for that says no encoding then.
"""

from __future__ import annotations

import warnings

from kigeon.lean import without

with warnings.catch_warnings(), without("charset_normalizer"), without("chardet"):
    # It warns that nothing is there which guesses.
    warnings.simplefilter("ignore")
    import requests
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase, HTTPBasicAuth
    from requests.utils import check_header_validity

__all__ = ["AuthBase", "HTTPAdapter", "HTTPBasicAuth", "check_header_validity", "requests"]
