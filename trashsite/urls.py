"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("reports.urls")),
]

handler400 = "reports.problems.bad_request"
handler403 = "reports.problems.forbidden"
handler404 = "reports.problems.not_found"
handler500 = "reports.problems.server_error"
