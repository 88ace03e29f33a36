"""Forward-auth: a proxy asks about each request before it lets it pass, whatever is behind it."""
