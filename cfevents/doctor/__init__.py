"""An examination of an account: what works, and what the API does where its documentation leaves it open."""

from cfevents.doctor.access_checks import misconfigured
from cfevents.doctor.examination import examine
from cfevents.doctor.findings import Check, DoctorReport

__all__ = ["Check", "DoctorReport", "examine", "misconfigured"]
