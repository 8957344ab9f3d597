"""What is kept on disk: indexes, and the cache of vectors that they share. `open_store` is the way in; `protocol` says what every kind of store offers."""
