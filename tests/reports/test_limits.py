"""The machine's limits are measured, and what its system does not tell is known to be missing."""

import pytest

from reports import limits
from reports.limits import available_bytes, cores, joules, multiply_rate, processor, read_bandwidth


@pytest.fixture
def counters(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "COUNTERS", tmp_path)

    def counter(name, told):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(told)

    return counter


def test_limits_are_measured(monkeypatch):
    monkeypatch.setattr(limits, "READ_BYTES", 2**20)
    limits._array.cache_clear()
    assert 1e6 < read_bandwidth(1)() < 1e13
    assert 1e6 < multiply_rate(1)() < 1e13
    limits._array.cache_clear()


def test_every_thread_reads_its_part_and_all_is_read():
    values = limits.np.arange(24, dtype=limits.np.float32)
    assert [limits._read(values, parts) for parts in (1, 2, 3)] == [276] * 3


def test_packages_are_added_and_their_parts_are_not_counted_twice(counters):
    counters("intel-rapl:0", "1500000\n")
    counters("intel-rapl:1", "500000\n")
    counters("intel-rapl:0:0", "700000\n")
    assert joules() == 2.0


def test_counters_that_cannot_be_read_tell_nothing(counters, tmp_path):
    assert joules() is None
    counters("intel-rapl:0", "5\n")
    (tmp_path / "intel-rapl:1").mkdir()
    assert joules() is None


def test_available_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MEMINFO", tmp_path / "meminfo")
    assert available_bytes() > 2**26
    (tmp_path / "meminfo").write_text("MemTotal:   9 kB\nMemAvailable:      7 kB\n")
    assert available_bytes() == 7168


def test_the_processor_has_a_name(tmp_path, monkeypatch):
    assert processor()
    assert cores() >= 1
    monkeypatch.setattr(limits, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Fast One\n")
    assert processor() == "Fast One"
