"""Finding the application: ``module:attribute``."""

import importlib
import sys
from pathlib import Path
from typing import Any

from mutua.errors import AppNotFound


def load_application(target: str, folder: Path | None = None) -> Any:
    """Import an ASGI application.

    Args:
        target: ``module:attribute``; dots go into packages before the colon, into objects behind it.
        folder: where to look first; the current folder when not given.

    Raises:
        AppNotFound: no such module or attribute, it fails to import, or it is not callable.
    """
    module_name, colon, attribute = target.partition(":")
    if not module_name or not colon or not attribute:
        raise AppNotFound(f"{target!r} does not name an application", hint="give module:attribute, such as main:app")
    path = str(folder or Path.cwd())
    if path not in sys.path:
        sys.path.insert(0, path)
    try:
        application: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # a script that exits when imported would end us in silence
        cause = f"{type(error).__name__}: {error}"
        raise AppNotFound(f"the module {module_name!r} cannot be imported: {cause}", hint=_hint(error)) from error
    for name in attribute.split("."):
        try:
            application = getattr(application, name)
        except AttributeError:
            raise AppNotFound(
                f"the module {module_name!r} has no {attribute!r}", hint=f"check the name in {module_name}"
            ) from None
    if not callable(application):
        raise AppNotFound(f"{target!r} is not an ASGI application", hint="name the application object itself")
    return application


def _hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"run from the folder that holds it, or install {error.name!r}"
    return "mend the application, then try again"
