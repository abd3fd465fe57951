"""Alembic's environment. `annotator/store/migrate.py` runs it inside a transaction that it has begun and locked.

A change of the schema is a new file in `versions/`, numbered on, with nothing imported from the program: the tables as
they were then are what an old database has to become. `HEAD` in `annotator/store/migrate.py` names the last one.
"""

from alembic import context

from annotator.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
