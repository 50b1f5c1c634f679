"""The project's settings with a mistake in them: names and values as JSON in WRONG_SETTINGS."""

import json
import os

from trashsite.settings import *  # noqa: F403

globals().update(json.loads(os.environ["WRONG_SETTINGS"]))
