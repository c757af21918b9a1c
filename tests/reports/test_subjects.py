"""Subjects are measured in turns, and what other software prints is understood or refused."""

import re
import shlex
import sys

import numpy as np
import pytest

from models.errors import InputError
from reports import subjects
from reports.subjects import PyTorch, Sample, command, decoding, interleaved, prefilling


class Counting:
    """A network that only counts."""

    weight_bytes = bytes_per_token = macs_per_token = 1

    def __init__(self):
        self.read = []

    def start(self):
        self.read.append("start")

    def decode(self, token):
        self.read.append(token)
        return np.array([0, 5, 9, 2])

    def prefill(self, tokens):
        self.read.append(len(tokens))
        return self.decode(0)


def printing(text, code=0):
    program = f"import sys; print({text!r}); sys.exit({code})"
    return command(shlex.join([sys.executable, "-c", program]))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(subjects, "PAUSE", 0)


def test_subjects_take_turns_and_the_first_round_does_not_count(monkeypatch):
    monkeypatch.setattr(subjects, "joules", lambda: None)
    order = []
    each = {name: lambda name=name: order.append(name) or len(order) for name in "ab"}
    assert interleaved(each, 2) == {
        "a": [Sample(3, None), Sample(5, None)],
        "b": [Sample(4, None), Sample(6, None)],
    }
    assert order == list("ababab")


def test_power_is_what_the_counter_gains(monkeypatch):
    told, clock = iter([0, 10, 10, 4]), iter([0, 5, 5, 7])
    monkeypatch.setattr(subjects, "joules", lambda: next(told))
    monkeypatch.setattr(subjects.time, "perf_counter", lambda: next(clock))
    assert interleaved({"a": lambda: 1.0}, 2) == {"a": [Sample(1, 2), Sample(1, None)]}


def test_decoding_goes_on_from_the_likeliest_token(monkeypatch):
    monkeypatch.setattr(subjects, "SECONDS", 0)
    network = Counting()
    assert decoding(network, 1)() > 0
    assert network.read == ["start", 1, 2]


def test_prefilling_begins_from_nothing():
    network = Counting()
    assert prefilling(network, np.arange(7), 1)() > 0
    assert network.read == ["start", 7, 0]


@pytest.mark.parametrize(
    ("text", "speed"),
    [
        ("12.5 tokens/s", 12.5),
        ("warm: 3 tok/s\neval: 1,234.5 tok/s (0.8 ms)", 1234.5),
        ("2e3 tokens per second", 2000),
        ("speed 7t/s", 7),
    ],
)
def test_a_command_tells_its_speed(text, speed):
    assert printing(text)() == speed


@pytest.mark.parametrize(
    ("measure", "rule"),
    [
        (printing("fast"), "must print tokens/s, not 'fast'; let it print a line such as"),
        (printing("1 tok/s", 3), "must end with exit code 0, not 3: ; run it by itself to see why"),
        (command("no-such-command -x"), "must be a command, not [Errno 2] No such file"),
        (command("'"), "must be a command, not No closing quotation; correct it"),
        (command(""), "must be a command, not"),
    ],
)
def test_a_command_that_tells_none_is_refused(measure, rule):
    with pytest.raises(InputError, match=f"^--compare .* {re.escape(rule)}"):
        measure()


def test_torch_must_be_there(monkeypatch):
    monkeypatch.setattr(subjects.importlib.util, "find_spec", lambda name: None)
    message = (
        "--compare torch must find torch installed, but it is not; "
        "run `.venv/bin/pip install -e '.[train]'`"
    )
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        PyTorch("mamba2-130m", 1, 8)


def test_a_process_that_ends_is_told():
    class Ended(PyTorch):
        def __init__(self):
            self._command = [sys.executable, "-c", "raise SystemExit('no such thing')"]

    with pytest.raises(RuntimeError, match="the process of PyTorch ended: no such thing"), Ended():
        pass


def test_a_process_answers():
    class Echo(PyTorch):
        def __init__(self):
            program = "import sys; print('torch 1')\nfor line in sys.stdin: print(len(line))"
            self._command = [sys.executable, "-u", "-c", program]

    with Echo() as torch:
        assert torch.versions == "torch 1"
        assert [torch.subject(work)() for work in ("decode", "prefill")] == [7.0, 8.0]
