from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may come in: API tokens, roles, and the command that makes people."""

    name = "accounts"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"
