"""`semsearch status`: what an index holds and how it is; with `--files`, every file and why it is not in it."""

from typing import Annotated

import typer

from semsearch.cli import render
from semsearch.cli.flags import IndexPath
from semsearch.errors import UsageError


def command(
    index: IndexPath = None,
    files: Annotated[bool, typer.Option("--files", help="List every file, indexed or not, with the reason.")] = False,
    skipped: Annotated[
        bool, typer.Option("--skipped", help="With --files: only what is skipped or ignored, and by which rule.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="With --files: only what could not be read.")] = False,
    pending: Annotated[
        bool, typer.Option("--pending", help="With --files: only what is new or not encoded yet.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object (semsearch.status/1, semsearch.files/1).")
    ] = False,
) -> int:
    """Show what an index holds: folders, files, chunks, model, size, the last run.

    \b
    Examples:
      semsearch status --json | jq .age_seconds
      semsearch status --files --failed
      semsearch status --files --skipped --json | jq -r '.files[].path'
    """
    groups = (("skipped", "ignored"), skipped), (("failed",), failed), (("pending", "new"), pending)
    wanted = {status for statuses, asked in groups if asked for status in statuses}
    if wanted and not files:
        raise UsageError("--skipped, --failed and --pending choose among files", "add --files")
    if files:
        from semsearch.maintenance import file_status

        path, found = file_status.file_statuses(index, lambda status: not wanted or status in wanted)
        render.file_list(path, found, as_json=as_json)
        return 0
    from semsearch.maintenance.index_status import index_status

    render.index_status(index_status(index), as_json=as_json)
    return 0
