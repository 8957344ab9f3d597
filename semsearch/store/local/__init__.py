"""The index folder: catalog (the commit point), segments, the writer's lock, the readers' snapshot."""
