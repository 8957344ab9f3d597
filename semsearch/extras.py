"""What the extras of semsearch bring, and the one error that tells of what is not installed.

Light, because a command that is served imports it.
"""

from semsearch.errors import SemsearchError


def check_installed(what: str, extra: str, *packages: str) -> None:
    """Raises `missing_package` where one of the `packages` of `extra`, which `what` needs, cannot be found."""
    from importlib.util import find_spec  # not light

    for package in packages:
        if find_spec(package) is None:
            raise missing_package(what, extra, package)


def missing_package(what: str, extra: str, package: str) -> SemsearchError:
    """The error for `what` needs a `package` that is not installed; `extra`: the extra of semsearch that brings it."""
    return SemsearchError(
        f"{what} needs the package {package}",
        f"install it with: pip install 'semsearch[{extra}]'",
        code="missing_package",
    )
