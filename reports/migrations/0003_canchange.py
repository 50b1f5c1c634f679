from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0002_sensors")]

    operations = [
        migrations.CreateModel(
            name="CanChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("can_id", models.CharField(max_length=128)),
                ("at", models.DateTimeField()),
                ("kind", models.CharField(max_length=8)),
                ("by", models.CharField(max_length=150)),
                ("via", models.CharField(max_length=8)),
                ("facts", models.JSONField()),
            ],
            options={
                "ordering": ("-id",),
                "default_permissions": (),
                "indexes": [models.Index(fields=["can_id", "-id"], name="change_of_can")],
            },
        ),
    ]
