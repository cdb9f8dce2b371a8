"""The data checks of a plan on the first rows of each source, uncut and with the real tokenizer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from launcher.data.checks import Finding
from launcher.data.dataset import TEST, VALIDATION, Dataset
from launcher.data.rows import Row, Rows
from launcher.data.split import deduplicate, without
from launcher.dryrun.base import Base
from launcher.dryrun.checklist import Checklist
from launcher.errors import LauncherError
from launcher.plan.data import checked_data
from launcher.plan.preview import Preview

WHOLE = "launcher plan --data looks at all of them"


class BadData(LauncherError):
    """A check of the data fails, as in `launcher plan --data`."""

    exit_code = 3


def check_rows(ahead: Preview, seen: Mapping[str, Sequence[Row]], base: Base, checklist: Checklist) -> None:
    """Warnings become notes.

    Args:
        seen: The real rows by the key path of their source.

    Raises:
        BadData: a check fails; tells what is wrong and the mend.
        InvalidInput: task and tokenizer do not go together.
    """
    dataset = _dataset(seen, dropping=ahead.recipe.data.deduplicate)
    if not dataset.train or base.tokenizer_made is not None:
        lacking = "real rows" if not dataset.train else "the real tokenizer"
        checklist.note("data", f"lengths, cuts, labels and repeats are not checked without {lacking}; {WHOLE}")
        return
    checklist.begin("data")
    report = checked_data(replace(ahead, dataset=dataset))
    failed = [each for each in report.findings if each.verdict == "fail"]
    if failed:
        raise BadData("; ".join(map(_told, failed)))
    longest = "" if report.lengths is None else f"of up to {report.lengths.longest:,} tokens, "
    checklist.done(f"{report.rows:,} rows looked at, {longest}{len(report.findings)} checks; {WHOLE}")
    for each in report.findings:
        if each.verdict == "warn":
            checklist.note("data", _told(each))


def _told(finding: Finding) -> str:
    return f"{finding.name}: {finding.figure}" + (f"; {finding.mend}" if finding.mend else "")


def _dataset(seen: Mapping[str, Sequence[Row]], *, dropping: bool) -> Dataset:
    """The rows as a run would see them: without repeats, where the recipe drops these."""
    test, validation = (Rows.of(seen.get(path, ())) for path in (TEST, VALIDATION))
    train = Rows.of(row for path, rows in seen.items() if path not in (TEST, VALIDATION) for row in rows)
    if not dropping:
        return Dataset(train, test, 0, validation)
    kept_test = deduplicate(test)
    kept_validation = without(deduplicate(validation), kept_test)
    kept = without(deduplicate(train), kept_test, kept_validation)
    dropped = sum(map(len, (train, test, validation))) - sum(map(len, (kept, kept_test, kept_validation)))
    return Dataset(kept, kept_test, dropped, kept_validation)
