"""Imports: files of others, and our own, made into contexts and questions. One file a format, all in the registry."""
