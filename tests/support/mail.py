"""Messages and mailboxes for tests."""

GERMAN = "Das Ventil der alten Pumpe steht neben dem Brunnen und wird im Winter geschlossen.\n"


def message(subject: str, text: str) -> str:
    """One e-mail of plain text, from Ada to Ben."""
    return (
        f"From: Ada <ada@example.org>\nTo: Ben <ben@example.org>\nSubject: {subject}\n"
        f"Date: Mon, 3 Mar 2025 10:00:00 +0000\nContent-Type: text/plain; charset=utf-8\n\n{text}"
    )


def mailbox(*messages: str) -> str:
    """Several messages in one file."""
    return "\n".join(f"From ada@example.org Mon Mar  3 10:00:00 2025\n{one}\n" for one in messages)
