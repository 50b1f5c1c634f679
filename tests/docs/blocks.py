"""
The fenced blocks of the documents, and what an HTML comment before one says of it.

A block of `sh` is commands. A block of `text` after it, before the next `sh`, is what they print: `...` stands for
any text, also of several lines. Of a block of `sh` a comment on the line before may say one thing:

    <!-- not run: REASON -->      no test runs it
    <!-- again -->                its output comes a moment later: it may be run again for some seconds
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(
    r"^(?:<!-- (?P<comment>[^\n]+) -->\n)?```(?P<language>[a-z]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(slots=True)
class Block:
    """One block: where it stands, what is in it, and for commands what they must print."""

    document: Path
    line: int
    language: str
    text: str
    comment: str
    expected: str = ""

    @property
    def why_not_run(self) -> str:
        """The reason for which no test runs it, "" where one does."""
        return self.comment.removeprefix("not run: ") if self.comment.startswith("not run: ") else ""

    @property
    def may_come_later(self) -> bool:
        return self.comment == "again"

    def prints(self, output: str) -> bool:
        """Say whether this output is what the document promises; white space at the ends does not count."""
        pattern = ".*".join(re.escape(part) for part in self.expected.strip().split("..."))
        return not self.expected or re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def blocks(document: Path) -> Iterator[Block]:
    """Yield the blocks of a document in order; a `text` block is joined to its commands, and yielded besides."""
    text = document.read_text()
    commands: Block | None = None
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        block = Block(document, line, found["language"], found["text"], found["comment"] or "")
        if block.language == "sh":
            commands = block
        elif block.language == "text" and commands is not None:
            commands.expected, commands = block.text, None
        yield block
