"""Vector databases that can hold the dense leg of an index, each behind the same small protocol.

`protocol.VectorEngine` is what each offers; `opening.open_engine` is the way to one, by the scheme of its URL.
"""
