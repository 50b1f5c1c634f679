"""What the documents say of the project is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.servers import ROOT

README = ROOT / "README.md"
SETTINGS = (ROOT / "docs/settings.md").read_text()
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
DECISIONS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / ".github").rglob("*.md")])
#: Environment variables that `make run` reads for itself.
OF_MAKE = {
    "PORT", "SQS_PORT", "DYNAMODB_PORT", "WORKER_METRICS_PORT", "WEB_METRICS_PORT", "PROMETHEUS_PORT",
    "SIMULATE", "STACK", "PYTHON", "DYNOXIDE", "DYNOXIDE_RELEASES",
}  # fmt: skip


def settings_read() -> set[str]:
    source = (ROOT / "trashsite/settings.py").read_text()
    return set(re.findall(r'"((?:TRASH|DJANGO|OTEL)_[A-Z_]+|DATABASE_URL)"', source))


def settings_documented() -> set[str]:
    """The variables in the first column of the tables."""
    cells = re.findall(r"^\| ([^|]+) \|", SETTINGS, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have as targets of links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    assert settings_documented() == settings_read() | OF_MAKE


def test_every_dependency_is_explained() -> None:
    needed = re.findall(r"^([a-z][a-z0-9-]*)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    table = (ROOT / "CONTRIBUTING.md").read_text().partition("| dependency | why |")[2].partition("\n\n")[0]
    missing = {name for name in needed if name not in table and name.rpartition("-")[2] not in table}
    assert missing == set()


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {name for page in PAGES for name in re.findall(r"`make (?:-s )?([a-z-]+)", page.read_text())}
    assert told - targets == set()


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for file, anchor in re.findall(r"\]\((?!http)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        to = (page.parent / file) if file else page
        assert to.exists(), f"{file} of {name(page)}"
        assert not anchor or anchor in anchors(to), f"{file}#{anchor} of {name(page)}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    # Files that a block changes or makes are named inside it.
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    names = re.findall(r"`((?:trashsite|reports|accounts|tests|stack|deploy|docs|simulator|bench)/[\w./-]+)`", text)
    assert [each for each in names if not (ROOT / each).exists()] == []


def test_every_package_has_a_line_in_the_architecture() -> None:
    packages = [each.parent for folder in (ROOT, ROOT / "reports") for each in folder.glob("*/__init__.py")]
    missing = {name(each) for each in packages if f"`{name(each)}/`" not in ARCHITECTURE}
    # Django gives these two their names and their work.
    assert missing <= {"reports/migrations", "reports/templatetags"}


def test_every_decision_is_numbered_dated_and_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    for number, record in enumerate(DECISIONS, 1):
        title, _, status, *_ = record.read_text().splitlines()
        assert record.name.startswith(f"{number:04d}-") and title.startswith(f"# {number}. "), record.name
        said = re.fullmatch(r"Date: (\d{4}-\d\d-\d\d)\. Status: (.+)\.", status)
        assert said, record.name
        row = f"| [{number:04d}]({record.name}) | {title.partition('. ')[2]} | {said[1]} | {said[2]} |"
        assert row in index, row


def test_the_notice_lists_every_file_of_others() -> None:
    notice = (ROOT / "NOTICE").read_text()
    licences = [*(ROOT / "reports").rglob("LICENSE"), *(ROOT / "tests").rglob("LICENSE")]
    assert len(licences) == 3
    assert [name(each.parent) for each in licences if name(each.parent) not in notice] == []


def test_hosted_ci_runs_what_everybody_runs() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == [".ci/run"]
    assert re.search(r"^make test\b", (ROOT / ".ci/run").read_text(), re.MULTILINE)


def test_every_hook_before_a_commit_is_a_step_of_make_lint() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    programs = {hook["entry"].split()[0] for hook in repo["hooks"]}
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert len(programs) > 1
    assert [each for each in programs if each not in lint] == []
