"""What psycopg logs of its own accord, which Python prints on stderr where nobody else takes it.

When a COPY or a pipeline ends by an error, psycopg tries to end it on the server, too, and logs that this failed
("error ignored terminating ..."): after a lost connection it always does. The error itself is raised, and told in a
line of ours.
"""

import logging


class _Aftermath(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("error ignored ")


_AFTERMATH = _Aftermath()


def silence_aftermath() -> None:
    """From now on psycopg does not log what fails after an error that it raises. May be called more than once."""
    logging.getLogger("psycopg").addFilter(_AFTERMATH)
