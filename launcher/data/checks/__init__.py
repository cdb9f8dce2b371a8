"""Whether data are what they should be, before anything is queued: `check_data`."""

from launcher.data.checks.check import DataReport, check_data
from launcher.data.checks.finding import Finding, Verdict
from launcher.data.checks.told import report_dict, report_lines

__all__ = ["DataReport", "Finding", "Verdict", "check_data", "report_dict", "report_lines"]
