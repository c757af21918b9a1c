"""Settings of all tests: properties are tried on the same examples in every run."""

from hypothesis import settings

settings.register_profile("puffadder", derandomize=True, deadline=None, database=None)
settings.load_profile("puffadder")
