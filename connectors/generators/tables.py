"""Tables of recorded data: CSV files, also compressed by gzip, in UTF-8 or Latin-1."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

Line = TypeVar("Line")


class Table:
    """A file that has been read into memory, with the names of its columns. `lines` is called once.

    The constructor raises ValueError if the file is empty, damaged or no CSV, and OSError if it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = csv.reader(io.StringIO(_text_of(path), newline=""), strict=True)
        try:
            self.columns = tuple(name.strip() for name in next(self._reader))
        except StopIteration:
            raise ValueError(f"{path}: the file is empty") from None
        except csv.Error as error:
            raise ValueError(f"{path}, line 1: {error}") from None

    def lines(self, parse: Callable[[dict[str, str]], Line]) -> Iterator[Line]:
        """All lines after the columns, in the order of the file. parse: makes a line of a row (column to text), and
        raises ValueError. Raises ValueError that names the file and the line at fault."""
        found = False
        # The number of lines before the row that is read; a row in quotes may have several.
        before = self._reader.line_num
        try:
            for row in self._reader:
                if row:
                    try:
                        line = parse(self._named(row))
                    except ValueError as error:
                        raise ValueError(f"{self.path}, line {before + 1}: {error}") from None
                    found = True
                    yield line
                before = self._reader.line_num
        except csv.Error as error:
            raise ValueError(f"{self.path}, line {before + 1}: {error}") from None
        if not found:
            raise ValueError(f"{self.path}: there is no line after the columns")

    def _named(self, row: list[str]) -> dict[str, str]:
        if len(row) != len(self.columns):
            raise ValueError(f"takes {len(self.columns)} columns and has {len(row)}; it may be cut off")
        return dict(zip(self.columns, row, strict=True))


def _text_of(path: Path) -> str:
    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path}: the compressed file is cut off or damaged: {error}") from None
    if b"\0" in raw:
        raise ValueError(f"{path}: this is no CSV in UTF-8 or Latin-1")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
