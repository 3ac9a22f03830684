"""``python -m flatfast`` is the command."""

import subprocess
import sys


def by_module(folder, *words):
    command = [sys.executable, "-m", "flatfast", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_answers_as_the_command_does(flatfast, tmp_path):
    words = "momentum", "--lr", "0.4", "--like", "0.1:0.9"
    done, told = by_module(tmp_path, *words), flatfast(*words)
    assert (done.returncode, " ".join(done.stdout.split())) == (0, told.out)
    assert "0.748" in told.out


def test_what_is_wrong_is_told_with_the_command_s_exit_code(tmp_path):
    done = by_module(tmp_path, "momentum", "--lr", "-1", "--like", "0.1:0.9")
    assert done.returncode == 2
    assert done.stderr.startswith("flatfast: ")
    assert "Traceback" not in done.stderr
    assert "Usage: python -m flatfast " in by_module(tmp_path, "--help").stdout


def test_an_import_of_it_runs_nothing(tmp_path):
    """A process that an engine starts anew imports the main module under another name."""
    code = "import flatfast.__main__"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
