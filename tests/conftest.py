"""Settings of the test tools."""

from hypothesis import settings

# Machines are slow at times, and what a test costs is not what it is about.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
