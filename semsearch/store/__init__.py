"""What is kept on disk: indexes, and the cache of vectors that they share.

`opening.open_store` is the way to an index; `protocol` says what every kind of store offers.
"""
