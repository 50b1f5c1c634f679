from django.apps import AppConfig
from django.contrib.admin import apps


class AccountsConfig(AppConfig):
    """Access: API tokens, roles, and the command that creates users."""

    name = "accounts"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"


class AdminConfig(apps.AdminConfig):
    """Django's admin, with a site of our own."""

    default_site = "accounts.admin_site.AdminSite"
