"""Switches off the telemetry of libraries."""

import os

# ONNX Runtime from 1.29 on, whose variable was renamed since, and the client of the Hugging Face hub.
NO_TELEMETRY = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}


def switch_off_telemetry() -> None:
    """Sets the variables that the user has not set. To be called before one of the libraries is imported."""
    for name, value in NO_TELEMETRY.items():
        os.environ.setdefault(name, value)
