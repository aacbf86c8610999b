import inspect
import pickle
import re

from kigeon import errors
from kigeon.errors import ConfigurationError, KigeonError, Problem, shorten


def test_the_tree_on_top_of_the_module_is_complete() -> None:
    drawn = re.findall(r"^[│├└─ ]*([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)
    defined = {name for name, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, KigeonError)}
    assert defined <= set(drawn)
    assert {name for name in drawn if name in vars(errors)} == defined


def test_what_is_temporary_and_what_is_permanent_is_said_by_the_type() -> None:
    for name in ("KubernetesError", "QueueError", "SenderError"):
        assert issubclass(getattr(errors, name), errors.TemporaryError)
    for name in ("UnreadableEvent", "Fenced", "HookError"):
        assert issubclass(getattr(errors, name), errors.PermanentError)


def test_text_from_elsewhere_is_cut_to_one_line() -> None:
    assert shorten(b"a\n b\xff") == "a b�"
    assert shorten("x" * 600, 10) == "xxxxxxxxxx… (600 characters)"


def test_a_configuration_error_shows_and_keeps_every_problem() -> None:
    problems = (Problem("a.b", "is wrong", "be right", 3, 5), Problem("", "is empty"))
    error = pickle.loads(pickle.dumps(ConfigurationError("file.yaml", problems)))
    assert error.problems == problems
    assert str(error) == "file.yaml: 3:5: a.b: is wrong (be right)\nfile.yaml: (top level): is empty"
