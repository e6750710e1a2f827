"""The tree of errors in the module's docstring is the one that the classes make."""

import re

from schemas import errors


def drawn() -> dict[str, str]:
    """Return every error of the drawing with the one it hangs on."""
    parents, path = {}, ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?:   .*)?$", line)
        if match:
            level = len(match[1]) // 4
            path = [*path[: level + 1], match[2]]
            parents[match[2]] = path[level]
    return parents


def test_the_drawing_shows_the_classes() -> None:
    classes = {
        name: value.__bases__[0].__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert drawn() == classes
    assert classes["PolicyError"] == "UsageError"


def test_a_refusal_keeps_its_reason() -> None:
    refused = errors.InvalidMessage("data.stars: missing")
    assert refused.reason == str(refused) == "data.stars: missing"
