from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Access: API tokens, roles, and the command that creates users."""

    name = "accounts"
    verbose_name = "Access"
    default_auto_field = "django.db.models.BigAutoField"
