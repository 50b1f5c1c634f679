"""The words of names and addresses, by which the fleet is searched."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from reports.models import words_of


def index(apps: Any, schema_editor: Any) -> None:
    """Write the words of all cans that are known."""
    can, can_word = apps.get_model("reports", "Can"), apps.get_model("reports", "CanWord")
    made = []
    for each in can.objects.exclude(name="", address="").only("name", "address").iterator(chunk_size=2000):
        made += [can_word(can_id=each.pk, word=word) for word in words_of(f"{each.name} {each.address}")]
        if len(made) > 5000:
            can_word.objects.bulk_create(made, batch_size=1000)
            made = []
    can_word.objects.bulk_create(made, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("reports", "0003_canchange")]

    operations = [
        migrations.CreateModel(
            name="CanWord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("word", models.CharField(db_index=True, max_length=40)),
                (
                    "can",
                    models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, to="reports.can"),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("can", "word"), name="word_of_can")],
            },
        ),
        migrations.RunPython(index, migrations.RunPython.noop),
    ]
