"""What `stamina-bench check` says of a plugin, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable

from harness.spec import Frozen

Told = Callable[[str], None]


class Finding(Frozen):
    """One thing to know of a plugin.

    Attributes:
        part: Where it showed: see the parts of its kind's check.
        wrong: Whether a run would end with it, or its figures could not be relied on.
        text: It, as a sentence.
    """

    part: str
    wrong: bool
    text: str


class Looked(Frozen):
    """What was found, and what was looked at.

    Attributes:
        findings: What there is to say; none of a plugin at which nothing is odd.
        files: What its results are known by: an edit of one makes them anew.
        looked_at: The parts that were reached; what a finding makes impossible is not.
    """

    findings: tuple[Finding, ...] = ()
    files: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()

    @property
    def wrong(self) -> bool:
        """Whether a run would end with what was found, or its figures could not be relied on."""
        return any(finding.wrong for finding in self.findings)
