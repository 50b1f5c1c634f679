"""
Pictures of the pages as `make run` shows them, those of the README among them: `make screenshots`.

    python -m tests.docs.screenshots FOLDER

Looks at the site on PORT as the user operator, whose password is in TRASH_DATA/credentials, and changes nothing but
what looking changes: listing dead letters raises their receive counts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.chromium import CHROMIUM, FLAGS

#: By name of the picture: the page, and how wide the window is.
WIDE, PHONE = 1280, 390
PAGES = {
    "overview": ("/", WIDE),
    "overview-dark": ("/", WIDE),
    "fleet": ("/reports/", WIDE),
    "fleet-phone": ("/reports/", PHONE),
    "can": ("/reports/420?range=7d", WIDE),
    "can-dark": ("/reports/420?range=7d", WIDE),
    "can-phone": ("/reports/420?range=7d", PHONE),
    "emptyings": ("/reports/420/emptyings", WIDE),
    "collections": ("/collections", WIDE),
    "collections-phone": ("/collections?order=stops", PHONE),
    "what-if": ("/collections/what-if", WIDE),
    "over-time": ("/over-time", WIDE),
    "over-time-dark": ("/over-time", WIDE),
    "alerts": ("/alerts", WIDE),
    "sensors": ("/sensors", WIDE),
    "pipeline": ("/pipeline/", WIDE),
    "dead-letters": ("/pipeline/dead-letters/", WIDE),
    "api": ("/api/docs/", WIDE),
}


def password(data: Path) -> str:
    """Return the operator's password of a stack that keeps its data there. Raises OSError where there is none."""
    lines = (data / "credentials").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)["operator"]


def signed_in(browser: Browser, site: str, secret: str) -> Page:
    page = browser.new_page(base_url=site)
    page.goto("/login/")
    page.get_by_label("Name").fill("operator")
    page.get_by_label("Password").fill(secret)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Sign out").wait_for()
    return page


def main(folder: Path) -> None:
    site = f"http://localhost:{os.environ.get('PORT') or '8000'}"
    secret = password(Path(os.environ.get("TRASH_DATA") or ".data"))
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = signed_in(browser, site, secret)
        for name, (path, width) in PAGES.items():
            page.emulate_media(color_scheme="dark" if name.endswith("-dark") else "light")
            page.set_viewport_size({"width": width, "height": 760})
            page.goto(path, wait_until="networkidle")
            page.screenshot(path=folder / f"{name}.png", scale="css")
            print(folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
