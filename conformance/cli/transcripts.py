"""`backproof replay transcript.jsonl`: its replies to the judge, or its questions to a subject."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import targets
from .terminal import UsageError, say


def replayed(options: argparse.Namespace) -> int:
    """Print what a transcript says; UsageError where it, or the subject, cannot be had.

    Without a subject its replies are judged, as they were, and the exit status is the verdict's.
    With one, it is asked all the questions, and the status is 1 where a reply is another one.
    """
    from ..plug.targets import TargetError
    from ..reference.checks import BackproofError
    from ..running.transcripts import asked_again, judged, read

    try:
        transcript = read(Path(options.case))
        if options.target is None and options.line is None:
            report = judged(transcript)
            say(report.text())
            return report.exit
        with targets.opened(options) as subject:
            compared = asked_again(transcript, subject)
    except TargetError as error:
        raise UsageError(str(error), error.more) from error
    except BackproofError as error:
        raise UsageError(str(error)) from error
    say(compared.text())
    return 1 if compared.others else 0
