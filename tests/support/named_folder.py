"""A folder of documents that are found by their names: messages, Markdown with properties, long and short files."""

from pathlib import Path

from tests.support.folders import write
from tests.support.mail import GERMAN, mailbox, message

LONG = "We pass the hedge near the well and go on.\n\n" * 60


def make_named_folder(folder: Path) -> Path:
    write(
        folder,
        {
            "letters.mbox": mailbox(
                message("Pumps", "The pump stands near the well, and it is closed to lorries.\n"),
                message("Alte Ventile", GERMAN * 30),
                message("Long walk", LONG),
            ),
            "garden.md": "---\ntitle: Garden notes\naliases: [Plot book]\ntags: [plants, soil]\nauthor: Ada Moe\n---\n"
            f"\n# Garden notes\n\n{LONG}\n\n## Roses\n\nPrune the roses in early spring.\n",
            "brunnen.txt": GERMAN * 3,
            "caf\udce9 menu.txt": "The name of this file is no UTF-8.\n",
        },
    )
    return folder
