"""What a contributor meets first: workflows, issue forms, citation and documents agree with the package."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import seglab

tomllib = pytest.importorskip("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(SPREAD) ", "")  # over how many processes
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "SECURITY.md")


def load(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> list[tuple[str, dict[str, Any]]]:
    return [(name, job) for path in WORKFLOWS for name, job in load(path)["jobs"].items()]


def commands(job: dict[str, Any]) -> list[str]:
    """The lines that a job runs."""
    return [line.strip() for step in job["steps"] for line in step.get("run", "").splitlines()]


def supported_pythons() -> list[str]:
    """The minor versions that the classifiers name, oldest first."""
    found = [re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text) for text in PROJECT["classifiers"]]
    return sorted((match[1] for match in found if match), key=Version)


def installed_packages(job: dict[str, Any]) -> set[str]:
    """Names of the packages that a job asks pip or uv for, those of seglab's extras included."""
    packages = {package for line in commands(job) for package in re.findall(r"pip install ([\w-]+)$", line)}
    for line in commands(job):
        match = re.search(r'pip install .*"\.\[([\w,]+)\]"', line)
        for extra in match[1].split(",") if match else []:
            packages |= {Requirement(text).name for text in EXTRAS[extra]}
    return packages


# Versions


def test_one_version_everywhere():
    assert PROJECT["version"] == seglab.__version__
    assert str(load(ROOT / "CITATION.cff")["version"]) == seglab.__version__


def test_modules_that_the_changelog_renames_to_exist():
    """The right column of its tables of names: a newcomer from 0.1.0 looks there for an import."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2] for line in text.splitlines() if line.startswith("| `")]
    modules = {name for row in rows for name in re.findall(r"`(seglab(?:\.\w+)+)`", row)}
    assert len(modules) > 20
    package = ROOT / "seglab"
    for name in sorted(modules):
        place = package.joinpath(*name.split(".")[1:])
        assert place.is_dir() or place.with_suffix(".py").is_file(), f"CHANGELOG.md: {name}"


def test_the_changelogs_newest_entry_is_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entries = re.findall(r"^## \[?(\d[^\]\s]*)\]?", text, re.MULTILINE)
    assert entries[0] == seglab.__version__
    assert entries == sorted(entries, key=Version, reverse=True)


def test_classifiers_are_within_the_required_pythons():
    required = SpecifierSet(PROJECT["requires-python"])
    assert all(required.contains(version) for version in supported_pythons())
    major, minor = supported_pythons()[0].split(".")
    assert not required.contains(f"{major}.{int(minor) - 1}"), "an older Python is allowed that no classifier names"


# Workflows


def test_tests_run_on_three_systems_with_the_oldest_and_newest_python():
    matrix = dict(jobs())["tests"]["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert matrix["python"] == [supported_pythons()[0], supported_pythons()[-1]]


def test_oldest_versions_run_on_the_oldest_python():
    job = dict(jobs())["oldest"]
    (python,) = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    assert python == supported_pythons()[0]
    assert any("--resolution lowest-direct" in line for line in commands(job))


def test_every_dependency_has_a_lower_bound_to_test():
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert {specifier.operator for specifier in requirement.specifier} >= {">="}, requirement


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_that_commits_wait_for_end_within_two_hours(path):
    workflow = load(path)
    nobody_waits = set(workflow[True]) == {"schedule", "workflow_dispatch"}  # YAML reads `on` as true
    assert all(job["timeout-minutes"] <= (360 if nobody_waits else 120) for job in workflow["jobs"].values())


@pytest.mark.parametrize("job", [pytest.param(job, id=name) for name, job in jobs()])
def test_a_job_uses_supported_pythons_and_pinned_actions(job):
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in uses)
    for step in job["steps"]:
        if "setup-python" in step.get("uses", ""):
            python = step["with"]["python-version"]
            assert python in supported_pythons() or python == "${{ matrix.python }}"
            assert step["with"]["cache"] == "pip"
            assert (ROOT / step["with"]["cache-dependency-path"]).is_file()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_gives_way_to_a_newer_run(path):
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "github.ref" in workflow["concurrency"]["group"]
    assert not any("permissions" in job for job in workflow["jobs"].values())
    assert "pull_request_target" not in path.read_text(encoding="utf-8"), "it would run strangers' code with secrets"


@pytest.mark.parametrize("job", [pytest.param(job, id=name) for name, job in jobs()])
def test_a_jobs_commands_are_there_to_run(job):
    packages = installed_packages(job)
    for line in commands(job):
        words = line.removeprefix("python -m ").split()
        if words[0] in ("pip", "uv"):
            continue
        if words[0] == "seglab":
            assert words[1:] == ["checks"]
            continue
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE)
            continue
        if words[0] == "trust" or words[0] == "python":
            assert (ROOT / words[0] / "__main__.py").is_file() or (ROOT / words[1]).is_file()
            continue
        assert words[0] in packages | {"pytest"}, f"{line}: no extra that this job installs brings {words[0]}"
        if words[0] == "pytest":
            assert packages & {"pytest", "nbval"}
            assert "--nbval" not in words or "nbval" in packages
            folders = [word.removeprefix("--ignore=") for word in words[1:] if not re.match(r"-(?!-ignore)", word)]
            assert folders and all((ROOT / folder).is_dir() for folder in folders)
            is_part_of_tests = all(folder.startswith("tests/") for folder in folders)
            assert is_part_of_tests or f"$(BIN)/{line}" in MAKEFILE, f"`make test` runs {line} otherwise"


def test_the_lint_job_is_make_lint():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]
    by_make = [line.strip().removeprefix("$(BIN)/") for line in recipe.splitlines()]
    by_workflow = [line for line in commands(dict(jobs())["lint"]) if "pip install" not in line]
    assert by_workflow == by_make
    assert any(re.match(r"test:.*\blint\b", line) for line in MAKEFILE.splitlines())


def test_all_of_make_test_runs_in_the_workflows():
    recipe = re.search(r"^test: lint.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)[1]
    by_workflow = {line for _, job in jobs() for line in commands(job)}
    by_make = {line.split("#")[0].strip().removeprefix("$(BIN)/") for line in recipe.splitlines()}
    assert by_make <= by_workflow


# Forms and hooks


def test_bug_reports_bring_seglab_checks():
    fields = {field.get("id"): field for field in load(ROOT / ".github/ISSUE_TEMPLATE/bug.yml")["body"]}
    assert "seglab checks" in fields["checks"]["attributes"]["label"]
    assert fields["checks"]["validations"]["required"]


def test_forms_are_whole():
    names = {path.stem for path in FORMS}
    assert names == {"bug", "feature", "question", "config"}
    for path in FORMS:
        form = load(path)
        if path.stem == "config":
            continue
        assert form["name"] and form["description"] and form["body"]
        identifiers = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(set(identifiers)) == len(identifiers)
        for field in form["body"]:
            assert field["type"] in ("markdown", "textarea", "input", "dropdown", "checkboxes")
            assert field["attributes"].get("label") or field["type"] == "markdown"


def test_hooks_check_what_make_lint_checks():
    repositories = load(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = [hook["id"] for repository in repositories for hook in repository["hooks"]]
    assert hooks == ["ruff-check", "ruff-format", "codespell", "mypy"]


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "seglab/py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_citation_is_whole():
    citation = load(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation), "what the format requires"
    assert citation["license"] == PROJECT["license"]


# Documents


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    without_code = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", without_code):
        assert re.match(r"https?://", target) or (ROOT / target).exists(), target
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"runs"}
    for quoted in re.findall(r"`([\w./-]+)`", without_code):
        is_path = quoted.split("/")[0] in folders and "/" in quoted
        is_to_be_written = "foo" in quoted or re.search("NN|[A-Z]{5,}$", quoted)  # by who follows a recipe
        if is_to_be_written:
            continue
        if is_path or re.fullmatch(r"[A-Z]\w+\.(md|cff)", quoted):
            assert (ROOT / quoted).exists(), quoted


def test_the_layout_in_the_readme_is_the_layout():
    """Every folder and file of the tree exists, and every folder of the package is in the tree."""
    (tree,) = re.findall(r"^```\n(seglab/\n.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    named, above = set(), Path()
    for line in tree.splitlines():
        match = re.match(r"( *)([\w./]+)", line)
        if not match or len(match[1]) > 2:  # a description that goes on
            continue
        above = Path() if not match[1] else above
        path = above / match[2]
        assert (ROOT / path).exists(), path
        named.add(path)
        above = path if not match[1] else above
    for folder in (ROOT / "seglab").iterdir():
        if folder.is_dir() and (folder / "__init__.py").is_file():
            assert folder.relative_to(ROOT) in named
