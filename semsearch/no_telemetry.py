"""Keeps libraries from sending word of their use to their makers."""

import os

# ONNX Runtime from 1.29 on, by a variable whose name changed since, and the client of the Hugging Face hub.
NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def switch_off_telemetry() -> None:
    """To be called before one of these libraries is imported; what the user set stays."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
