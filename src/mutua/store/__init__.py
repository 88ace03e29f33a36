"""The store: registry, inventory, CA keys and events in one database, through SQLAlchemy Core."""
