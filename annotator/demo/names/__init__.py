"""Names of towns, streets and places in three languages."""
