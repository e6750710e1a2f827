"""The tree of errors in the module's docstring matches the classes."""

import re

from schemas import errors


def parents_in_docstring() -> dict[str, str]:
    """Return the parent of every error in the tree."""
    parents, path = {}, ["Exception"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?:   .*)?$", line)
        if match:
            level = len(match[1]) // 4
            path = [*path[: level + 1], match[2]]
            parents[match[2]] = path[level]
    return parents


def test_the_tree_shows_the_classes() -> None:
    classes = {
        name: value.__bases__[0].__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert parents_in_docstring() == classes
    assert classes["PolicyError"] == "UsageError"


def test_an_invalid_message_keeps_its_reason() -> None:
    refused = errors.InvalidMessage("data.stars: missing")
    assert refused.reason == str(refused) == "data.stars: missing"
