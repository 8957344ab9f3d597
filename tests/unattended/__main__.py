"""All of it in one run, about an hour on two cores: `python -m tests.unattended`."""

import subprocess
import sys

for arguments in (
    ["cost"],
    ["kills", "--kills", "300"],
    ["corruption", "--bytes", "200"],
    ["readers", "--seconds", "600"],
):
    print(f"== {' '.join(arguments)}", flush=True)
    module, *flags = arguments
    subprocess.run([sys.executable, "-m", f"tests.unattended.{module}", *flags], check=True)
