"""The annotator's database: its tables, its transactions, its migrations."""
