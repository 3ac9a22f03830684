"""Files that are made of others: written, or told to be stale."""

import pytest

from scripts.site.made import write_or_check


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Makes two files, one in a folder that is not there, and says what was printed."""
    files = {tmp_path / "one.txt": "1", tmp_path / "new" / "two.txt": "²"}

    def call(*words, **changed):
        monkeypatch.setattr("sys.argv", ["made", *words])
        made = {file: changed.get(file.stem, text) for file, text in files.items()}
        write_or_check(lambda: made, "Two files.\n\nThere are two.")
        assert {file: file.read_text("utf-8") for file in made} == made
        return capsys.readouterr().out

    return call


def test_what_is_there_already_is_not_written_again(command, tmp_path):
    assert command() == "2 files, 2 written\n"
    before = (tmp_path / "one.txt").stat().st_mtime_ns
    assert command(two="3") == "2 files, 1 written\n"
    assert (tmp_path / "one.txt").stat().st_mtime_ns == before
    assert command("--check", two="3") == "2 files, 0 out of date\n"


def test_a_check_names_what_is_stale_and_writes_nothing(command, tmp_path):
    command()
    with pytest.raises(SystemExit, match=r"^out of date: .*two\.txt; run: make quotes$") as end:
        command("--check", two="3")
    assert "one.txt" not in str(end.value)
    assert (tmp_path / "new" / "two.txt").read_text("utf-8") == "²"


def test_help_is_the_first_line(command, capsys):
    with pytest.raises(SystemExit):
        command("--help")
    told = capsys.readouterr().out
    assert "Two files." in told
    assert "There are two" not in told
