"""Settings of the tests that look at many examples."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
