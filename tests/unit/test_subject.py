"""The names of cases and partners, as they are stored."""

from __future__ import annotations

from streams.processor.subject import Subject, Subjects


def test_names_are_parsed_and_formatted() -> None:
    names = ["case:job-1", "case:job:2", "partner:p1"]
    subjects = Subjects.parse([*reversed(names), "retention"])
    assert (subjects.cases, subjects.partners) == ({"job-1", "job:2"}, {"p1"})
    assert subjects.names() == names
    assert (subjects - Subjects({"job-1"}, {"job:2"})).names() == names[1:]
    assert Subject.parse("case:job:2") == Subject("case", "job:2")
