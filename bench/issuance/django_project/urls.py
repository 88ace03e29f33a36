"""django-ca looks its own addresses up while it signs, so they have to be there."""

from django.urls import include, path  # type: ignore[import-untyped]

urlpatterns = [path("django_ca/", include("django_ca.urls"))]
