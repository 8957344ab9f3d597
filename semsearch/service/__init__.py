"""Keeps indexes and models open, and answers many callers: over HTTP, as an MCP server, and with a page for a browser.

Nothing here prints: what there is to say goes to the `announce` that the caller gives.
"""
