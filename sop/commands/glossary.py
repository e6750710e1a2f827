"""`sop glossary`: explains the words, letters and clauses of the SOPs."""

import shutil
import textwrap

import click
from click.shell_completion import CompletionItem

from agents.glossary import CLAUSE_TEXTS, ENTRIES, WORDS
from schemas.errors import UsageError
from schemas.suggestions import suggestion

WIDTH_MAX = 100
INDENT = " " * 4


def _complete_word(_ctx: click.Context, _param: click.Parameter, prefix: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in ENTRIES if name.casefold().startswith(prefix.casefold())]


@click.command()
@click.argument("words", metavar="[WORD|CLAUSE]…", nargs=-1, shell_complete=_complete_word)
@click.option("--markdown", is_flag=True, help="Print the page docs/glossary.md.")
def command(words: tuple[str, ...], markdown: bool) -> None:
    """Explain words (PAF, BPC, OOS, …) and clauses (OOS-18, DIS-3, …), or all of them."""
    if markdown:
        print(_page(), end="")
        return
    known = {name.casefold(): name for name in ENTRIES}
    for word in words:
        if word.casefold() not in known:
            raise UsageError(f"{word}: not in the glossary{suggestion(word, ENTRIES)}")
    width = min(shutil.get_terminal_size().columns, WIDTH_MAX)
    for name in [known[word.casefold()] for word in words] or ENTRIES:
        print(name)
        print(textwrap.fill(ENTRIES[name], width, initial_indent=INDENT, subsequent_indent=INDENT))


def _page() -> str:
    """Return the glossary as a Markdown page."""
    page = """\
# Glossary

The words, letters and clauses of the two SOPs, in our own words. `sop glossary` shows the same, and
`sop glossary --markdown` writes this page.
"""
    for title, entries in (("Words", WORDS), ("Clauses", CLAUSE_TEXTS)):
        rows = "".join(f"| {name} | {text} |\n" for name, text in entries.items())
        page += f"\n## {title}\n\n| | |\n| --- | --- |\n{rows}"
    return page
