"""Every address of the site."""

from importlib import import_module

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

urlpatterns = [
    # Not by `include`, which matches each address twice; and by name, since trashsite imports no app.
    *import_module("reports.urls").urlpatterns,
    *import_module("accounts.urls").urlpatterns,
    # Our login page limits the number of attempts.
    path("admin/login/", RedirectView.as_view(pattern_name="login", query_string=True)),
    path("admin/", admin.site.urls),
]

handler400 = "reports.web.problems.bad_request"
handler403 = "reports.web.problems.forbidden"
handler404 = "reports.web.problems.not_found"
handler500 = "reports.web.problems.server_error"
