"""Pix webhooks in Django, in one file: each payment provider sees its own reports only.

As WSGI, or as ASGI:

mutua serve main:app --server gunicorn --identity api.acme.example --port 8443
mutua serve main:asgi --identity api.acme.example --port 8443
"""

import json
import secrets
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from mutua.django import only_clients

settings.configure(
    SECRET_KEY=secrets.token_urlsafe(50),  # where there are sessions, one that stays the same
    ALLOWED_HOSTS=["api.acme.example", "localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["mutua.django.KnownClientMiddleware", "django.middleware.common.CommonMiddleware"],
)

received: dict[str, list[dict[str, Any]]] = {}


@csrf_exempt
@only_clients("woovi", "efi")
def pix(request: HttpRequest) -> JsonResponse:
    """Take a report, or show what this provider has reported; only the two providers may do either."""
    provider = request.known_client.name
    if request.method == "POST":
        received.setdefault(provider, []).append(json.loads(request.body))
        return JsonResponse({"from": provider}, status=201)
    return JsonResponse(received.get(provider, []), safe=False)


async def status(request: HttpRequest) -> JsonResponse:
    """Any known client may ask; a view may be async."""
    return JsonResponse({"hello": request.known_client.name})


urlpatterns = [path("webhook/pix", pix), path("status", status)]

app = get_wsgi_application()
asgi = get_asgi_application()
