"""Explaining what an HTTP library raises: evidence out of the exception, findings out of the evidence."""
