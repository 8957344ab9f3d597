"""What an index is worth, measured: questions with known answers, metrics, the tables and plots of `bench`."""
