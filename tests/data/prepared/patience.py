"""Retries that do not wait long."""

from dataclasses import replace

from launcher.storage.retry import Retry

CALM = Retry(first=0.01, longest=0.1, deadline=120.0)
QUICK = replace(CALM, patience=0.5)
"""Ends stalls soon."""
