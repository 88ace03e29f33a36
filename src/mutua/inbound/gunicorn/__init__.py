"""The gunicorn door: WSGI on sync and gthread workers, ASGI on its own asgi worker and on uvicorn's."""

try:
    import gunicorn.arbiter as _arbiter  # type: ignore[import-untyped]  # noqa: F401 -- only whether it is there
except ImportError as error:
    from mutua.errors import MissingExtra

    raise MissingExtra("gunicorn is not installed", hint="pip install 'mutua[gunicorn]'") from error

from mutua.inbound.gunicorn.serving import WORKERS, serve, serve_on

__all__ = ["WORKERS", "serve", "serve_on"]
