"""The one contract that every reader of catalogue files keeps: derive a test class from `ReaderContract`."""

from __future__ import annotations

from pathlib import Path

from bandstand.catalog.readers.base import Reader, Rejected, Row
from bandstand.errors import BadInput


class ReaderContract:
    """Tests that every reader passes. ``rows`` counts the usable rows of the example, ``rejected`` the others."""

    rows = 1
    rejected = 0

    def make(self) -> Reader:
        """The reader."""
        raise NotImplementedError("say how your reader is made: def make(self): return MyReader()")

    def write(self, folder: Path) -> Path:
        """Write an example of the format into a folder; returns what to read."""
        raise NotImplementedError("write a small file of your format into the folder, and return its path")

    def test_it_reads_its_example(self, contract_reader: Reader, tmp_path: Path) -> None:
        """All usable rows, each with the line that it came from, and the others set aside with a reason."""
        found = list(contract_reader.read(self.write(tmp_path)))
        usable = [row for row in found if isinstance(row, Row)]
        bad = [row for row in found if isinstance(row, Rejected)]
        assert (len(usable), len(bad)) == (self.rows, self.rejected)
        assert all(row.line >= 1 and row.entity.id and row.entity.title for row in usable)
        assert all(row.line >= 1 and row.reason for row in bad)

    def test_reading_again_gives_the_same(self, contract_reader: Reader, tmp_path: Path) -> None:
        """So that an interrupted ingest can be taken up again."""
        path = self.write(tmp_path)
        assert list(contract_reader.read(path)) == list(contract_reader.read(path))

    def test_lines_ascend_where_it_streams(self, contract_reader: Reader, tmp_path: Path) -> None:
        """A streaming reader gives rows in the order of their lines."""
        lines = [row.line for row in contract_reader.read(self.write(tmp_path))]
        assert not contract_reader.streaming or lines == sorted(lines)

    def test_what_is_missing_or_of_another_format_is_refused(self, contract_reader: Reader, tmp_path: Path) -> None:
        """With an error of ours, or every row is set aside."""
        (tmp_path / "other").write_bytes(b"\x00\xff\x00 nothing that anybody reads")
        for path in (tmp_path / "missing", tmp_path / "other"):
            assert _refused(contract_reader, path)

    def test_it_has_a_name(self, contract_reader: Reader) -> None:
        """As it is given on the command line."""
        assert contract_reader.name == contract_reader.name.strip().lower() != ""


def _refused(reader: Reader, path: Path) -> bool:
    try:
        return all(isinstance(row, Rejected) for row in reader.read(path))
    except BadInput:
        return True
