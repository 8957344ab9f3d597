"""Processes that another one started."""

import os

import psutil


def children_with(argument: str, parent: int | None = None) -> list[psutil.Process]:
    """Those of `parent` (None: this process) that run, and have `argument` on their command line."""
    found = []
    for one in psutil.Process(parent or os.getpid()).children():
        try:
            if argument in one.cmdline():
                found.append(one)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has ended
            continue
    return found
