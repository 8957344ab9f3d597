"""Finds the files below a folder (`walk`, `ignore`) and reads each as a `Document` (`document_types`, `readers`)."""
