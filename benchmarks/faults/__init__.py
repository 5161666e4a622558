"""What faults cost: a run that is killed, a disk that fills up, servers that misbehave."""
