"""An index by place: a collection list asks which cans lie in an area."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0005_can_has_reported")]

    operations = [
        migrations.AddIndex("can", models.Index(fields=["latitude", "longitude"], name="can_place")),
    ]
