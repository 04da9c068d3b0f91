"""The report: every line in its place."""

from cfevents._http.connection import Usage
from cfevents.doctor.access_checks import call_checks, reaching_checks
from cfevents.doctor.assumed import assumptions_check
from cfevents.doctor.behaviour_checks import measured_checks
from cfevents.doctor.clock import clock_check
from cfevents.doctor.findings import Findings
from cfevents.doctor.probe import Asking
from cfevents.doctor.quota import budget_check
from cfevents.doctor.report import Report
from cfevents.doctor.settings import variables_check


def report_of(findings: Findings, asking: Asking, usage: Usage, *, from_environment: bool) -> Report:
    """Judge what was found."""
    answers = asking.recorder.answers
    hidden = {asking.api.account_id: "<account>"}
    if findings.connector_id is not None:
        hidden[findings.connector_id] = "<connector>"
    checks = (
        variables_check(used=from_environment),
        *reaching_checks(findings, asking),
        clock_check(answers),
        *call_checks(findings),
        budget_check(findings, answers, usage),
        *measured_checks(findings),
        assumptions_check(findings),
    )
    rays = tuple(each.response.ray_id for each in answers if each.response.ray_id)
    return Report(checks, len(asking.recorder.sent), rays, hidden)
