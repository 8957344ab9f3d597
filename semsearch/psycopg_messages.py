"""What psycopg says and logs: what to do about passwords, and what it logs of its own accord, which Python prints on
stderr where nobody else takes it.

When a COPY or a pipeline ends by an error, psycopg tries to end it on the server, too, and logs that this failed
("error ignored terminating ..."): after a lost connection it always does. The error itself is raised, and told in a
line of ours.
"""

import logging


class _Aftermath(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("error ignored ")


_AFTERMATH = _Aftermath()


def password_hint(said: str) -> str:
    """What to do where libpq, which gives no code, says that a password is wrong or missing; "": it says something
    else."""
    if "password authentication failed" in said:
        return "check the user and the password, which libpq takes from the file that PGPASSFILE names, or PGPASSWORD"
    if "password" in said:
        return "put the password in a file that PGPASSFILE names, or in PGPASSWORD"
    return ""


def silence_aftermath() -> None:
    """From now on psycopg does not log what fails after an error that it raises. May be called more than once."""
    logging.getLogger("psycopg").addFilter(_AFTERMATH)
