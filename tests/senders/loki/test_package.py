"""What is imported with the package requests, and what is not."""

import subprocess
import sys

SCRIPT = """
import sys, warnings
warnings.simplefilter("error")
from kigeon.senders.loki.sink import requests
print(*(name for name in ("charset_normalizer", "chardet") if name in sys.modules))
answer = requests.Response()
answer._content = "too far behind \u2026".encode()
print(answer.text == "too far behind \u2026")
"""


def test_nothing_that_guesses_encodings_is_imported_and_a_text_is_utf_8() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout.splitlines(), done.stderr) == (["", "True"], "")
