"""A socket's address holds 107 bytes, a path may have more."""

import socket
from pathlib import Path

import pytest

from kigeon.operator.address import short_path


def test_a_socket_is_reached_however_deep_it_lies(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100) / "operator.sock"
    deep.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(OSError, match="too long"):
            listener.bind(str(deep))
        with short_path(deep) as short:
            listener.bind(short)
        listener.listen()
        assert deep.is_socket()
        with short_path(deep) as short:
            client.connect(short)


def test_where_the_folder_is_not_there_that_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), short_path(tmp_path / "gone" / "operator.sock"):
        pass
