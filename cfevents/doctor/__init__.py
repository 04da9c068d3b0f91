"""Whether an account can be read, and what its API does where the documentation leaves it open."""

from cfevents.doctor.examination import examine
from cfevents.doctor.report import Check, Report
from cfevents.doctor.settings import misconfigured

__all__ = ["Check", "Report", "examine", "misconfigured"]
