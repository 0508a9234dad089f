"""Every verb answers at once and explains itself; every end has its status and one message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nas import cli
from nas.errors import NASError
from tests.cli.conftest import Nas

HEAVY = {"torch", "ray", "optuna", "sqlalchemy", "numpy", "pydantic"}


def ended(action: Exception | type[BaseException]) -> object:
    """A `run` that ends so."""

    def run(args: object) -> int:
        raise action

    return run


@pytest.mark.parametrize("words", [["--help"], *([verb, "--help"] for verb in cli.VERBS)], ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from nas.cli import main\n"
        f"try: main({words!r})\n"
        f"except SystemExit: print('LOADED', *{HEAVY} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_readme_shows_every_verb(verb: str) -> None:
    assert f"nas {verb}" in (Path(__file__).parents[2] / "README.md").read_text()


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_help_of_a_verb_has_its_example_on_one_line(
    verb: str, nas: Nas, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        nas(verb, "--help")
    assert caught.value.code == 0
    examples = [line for line in capsys.readouterr().out.splitlines() if line.startswith("example: ")]
    assert len(examples) == 1
    assert examples[0].startswith(f"example: nas {verb}")


@pytest.mark.parametrize("verb", cli.VERBS)
def test_the_words_of_an_example_are_understood(verb: str) -> None:
    args = cli.build_parser().parse_args(cli.VERBS[verb].example.split()[1:])
    assert args.verb == verb


def test_the_overview_names_every_verb(nas: Nas, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        nas("--help")
    out = capsys.readouterr().out
    assert [verb for verb in cli.VERBS if f"\n    {verb}" not in out] == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: VERB; see `nas --help`"),
        (["lanch"], "argument VERB: invalid choice: 'lanch'"),
        (["launch"], "the following arguments are required: STUDY; see `nas launch --help`"),
        (["launch", "x", "--trial", "3"], "unrecognized arguments: --trial 3; see `nas --help`"),
        (["show", "x", "best"], "argument TRIAL: invalid int value: 'best'; see `nas show --help`"),
    ],
)
def test_wrong_words_are_one_message(words: list[str], message: str, nas: Nas) -> None:
    done = nas(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"nas: {message}")
    assert done.err.count("\n") == 1


def test_work_that_failed_is_one_message(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.cli.ls.run", ended(NASError("five trials failed in a row")))
    done = nas("ls")
    assert (done.status, done.out, done.err) == (1, "", "nas: five trials failed in a row\n")


def test_an_interrupt_has_its_own_status(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.cli.ls.run", ended(KeyboardInterrupt))
    assert nas("ls").status == 130


def test_a_bug_shows_its_traceback_only_when_asked(nas: Nas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nas.cli.ls.run", ended(ZeroDivisionError("by zero")))
    done = nas("ls")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("nas: a bug of this program: ZeroDivisionError: by zero\n")
    assert "NAS_DEBUG=1" in done.err
    monkeypatch.setenv("NAS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        nas("ls")


def test_a_reader_that_has_gone_is_no_error(storage: str, tmp_path: Path) -> None:
    code = "import sys; from nas.cli import main; sys.stdin.read(); sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "show", "cells", "--json", "--storage", storage]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
