"""`python -m semsearch`, and what the `semsearch` script imports: nothing else does."""

import _signal  # type: ignore[import-not-found]

# Ctrl-C waits until there is something that answers it: an import must not be interrupted by an exception.
_signal.pthread_sigmask(_signal.SIG_BLOCK, {_signal.SIGINT})

from semsearch.cli import interrupts  # noqa: E402

interrupts.install()

from semsearch.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
