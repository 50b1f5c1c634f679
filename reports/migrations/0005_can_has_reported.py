"""Which cans are known to have reported."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0004_canword")]

    operations = [
        migrations.AddField("can", "has_reported", models.BooleanField(default=False, editable=False)),
        migrations.AddIndex(
            "can",
            models.Index(condition=models.Q(("has_reported", False)), fields=["can_id"], name="can_never_reported"),
        ),
    ]
