"""`PostgresStore`: an index in a schema of a PostgreSQL database with pgvector, which many machines share."""
