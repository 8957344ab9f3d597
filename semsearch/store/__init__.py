"""Where an index is kept. `open_store` is the way in; `protocol` says what every kind of store offers."""
