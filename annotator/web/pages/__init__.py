"""The pages: each a function, a query and a template."""
