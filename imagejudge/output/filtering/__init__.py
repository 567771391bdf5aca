"""New shards with only those samples whose images passed: the same bytes, never unpacked."""
