"""Results in formats that others read, a file a format, all in the registry. Equal in, equal bytes out."""
