"""Whether an account can be read, and what its API does where the documentation leaves it open."""

from cfevents.doctor.access_checks import misconfigured
from cfevents.doctor.examination import examine
from cfevents.doctor.report import Check, Report

__all__ = ["Check", "Report", "examine", "misconfigured"]
