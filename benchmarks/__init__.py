"""Scripts that print the figures in the documentation; README.md says which prints which. None is run by pytest."""
