"""Scripts that print the figures in the documentation; README.md says which prints which. pytest runs none of them."""
