"""The site and its API: one file a page, and what the pages share. Nothing of the worker is known here."""
