"""Indexes left to themselves: cost, kills, damage, readers beside writers. `python -m tests.unattended` runs all."""
