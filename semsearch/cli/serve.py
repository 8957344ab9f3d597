"""`semsearch serve`: answers this user's searches, programs over HTTP, agents over MCP and a browser with a page."""

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from semsearch.cli.flags import BaseUrl, Indexes, chosen_llm
from semsearch.cli.render import announce
from semsearch.errors import UsageError
from semsearch.extras import check_installed

if TYPE_CHECKING:
    from socket import socket as Socket

    from semsearch.service.forking import Forks
    from semsearch.service.operations import Operations

PORT = 7391
_IDLE_MINUTES = 10.0


def command(
    index: Indexes = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen. Default: 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help=f"The port; 0: a free one. Default: {PORT}.")
    ] = PORT,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="NAME", help="A name by which others reach it, as in the URL. Repeatable."
        ),
    ] = None,
    commands_only: Annotated[
        bool,
        typer.Option(
            "--commands-only", help="Run this user's search and ask, and nothing else: needs no index and no package."
        ),
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Keep the indexes up to date with their folders.")] = False,
    llm: Annotated[
        str | None, typer.Option("--llm", metavar="MODEL", help="Questions may be answered by this model.")
    ] = None,
    base_url: BaseUrl = None,
    idle: Annotated[
        float,
        typer.Option(metavar="MINUTES", help="Let models and indexes go that nobody used for so long. Default: 10."),
    ] = _IDLE_MINUTES,
) -> int:
    """Serve the index to a browser, to programs over HTTP, and to agents over MCP (/mcp).

    Meanwhile `search` and `ask` of this user are run here, whatever their index, which takes a fraction of the time.
    Only this machine is answered, unless --host says otherwise; then SEMSEARCH_SERVICE_TOKEN must hold a token, which
    every request has to bring. Needs: pip install 'semsearch[serve]'.

    \b
    Examples:
      semsearch serve -i notes --watch
      semsearch serve -i notes -i mail --port 8080
      semsearch serve --commands-only &
      SEMSEARCH_SERVICE_TOKEN=$(openssl rand -hex 24) semsearch serve --host 0.0.0.0 --allow-host nas.local
    """
    from semsearch.cli.command_service import serving_commands, until_signal
    from semsearch.cli.service_client import SWITCH
    from semsearch.inherited import passed_sockets

    if not 0 < idle <= 1e6:
        raise UsageError(f"--idle {idle:g} is no time", "use a number of minutes")
    if commands_only:
        if index or allow_host or watch or llm or base_url:
            raise UsageError("--commands-only serves no index", "leave out the other flags")
        until_signal(60 * idle, announce)
        return 0
    with ExitStack() as stack:
        check_service_installed()
        passed = passed_sockets()
        listening, token = opened_socket(passed, host, port)
        stack.enter_context(listening)
        commands, forks = "", None
        if os.environ.get(SWITCH) != "0":
            # Before there are threads.
            commands, forks = stack.enter_context(serving_commands(60 * idle, passed, [listening]))
        operations = opened_operations(index or [], llm, base_url, idle, processes=True, forks=forks)
        stack.callback(operations.close)
        if commands:  # what cannot be is told before anything else
            announce(commands)
        if watch:
            from semsearch.service.watching import Watching

            stack.callback(Watching(operations.locations, announce).close)
        serve_http(operations, listening, token, [*(allow_host or []), *_own_names(host)])
    return 0


def opened_operations(
    indexes: list[str],
    llm: str | None,
    base_url: str | None,
    idle_minutes: float,
    *,
    processes: bool = False,
    forks: "Forks | None" = None,
) -> "Operations":
    """What answers for `indexes`, without one for the default index; `processes` and `forks` as in `Operations`.

    Raises `SemsearchError`.
    """
    from semsearch import settings
    from semsearch.service.operations import Operations

    model = chosen_llm(llm or settings.llm_model(), base_url)
    return Operations(
        indexes or [settings.index_for_reading(None)],
        model=model,
        processes=processes,
        forks=forks,
        idle_seconds=60 * idle_minutes,
        announce=announce,
    )


def check_service_installed() -> None:
    """Raises `SemsearchError` where the packages of the extra are missing."""
    check_installed("the service", "serve", "mcp", "starlette", "uvicorn")


def opened_socket(passed: "list[Socket]", host: str, port: int) -> "tuple[Socket, str | None]":
    """(the socket for HTTP, the token that every request must bring). Raises `SemsearchError`.

    Of the sockets that systemd `passed` one is taken instead of `host` and `port`.
    """
    from semsearch.service.guard import TOKEN_VARIABLE, check_token
    from semsearch.service.listening import is_internet, is_loopback, listen, url_of

    token = check_token(os.environ.get(TOKEN_VARIABLE))
    listening = next(filter(is_internet, passed), None) or listen(host, port)
    if token is None and not is_loopback(listening):
        url = url_of(listening)
        listening.close()
        raise UsageError(
            f"others than this machine can reach {url}, and no token is set",
            f"set {TOKEN_VARIABLE}, which every request must then bring",
        )
    return listening, token


def serve_http(operations: "Operations", listening: "Socket", token: str | None, names: list[str]) -> None:
    """Answers over HTTP on `listening` until a signal; `names`: by which others reach it."""
    from semsearch.service.http import application
    from semsearch.service.listening import url_of
    from semsearch.service.server import Server

    app = application(operations, hosts=names, token=token, announce=announce)
    running = Server(app, listening)
    operations.warm_up()
    announce(f"serving {', '.join(operations.locations)} at {url_of(listening)} (Ctrl-C ends it)")
    running.run_until_signal()


def _own_names(host: str) -> list[str]:
    """The name of `host` in a URL, but for what stands for all addresses."""
    return [] if host in ("0.0.0.0", "::", "") else [f"[{host}]" if ":" in host else host]
