"""One file for each family of `mapqator` commands."""
