"""The Django project that django-ca runs in: what its documentation asks for, and nothing that would slow it down."""

import os
from pathlib import Path

FOLDER = Path(os.environ["BENCH_DJANGO_FOLDER"])

SECRET_KEY = "nothing is signed with it"
DEBUG = False
USE_TZ = True
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_ca"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": FOLDER / "db.sqlite3",
        "OPTIONS": {"init_command": os.environ["BENCH_DJANGO_PRAGMAS"]},
    }
}

STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": FOLDER}},
    # Private keys, as django-ca's own settings keep them: in files that their owner alone can read.
    "django-ca": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": FOLDER / "keys", "file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
}

CA_USE_CELERY = False
CA_DEFAULT_SIGNATURE_HASH_ALGORITHM = "SHA-256"
CA_DEFAULT_PROFILE = "bench"
CA_PROFILES = {
    "bench": {
        "expires": 90,
        "extensions": {
            "key_usage": {"critical": True, "value": ["digitalSignature"]},
            "extended_key_usage": {"critical": False, "value": ["serverAuth"]},
        },
    }
}
