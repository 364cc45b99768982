"""Keeps true what the documents say about the repository: layout, names, links, pairing of source and test files.

Each check is a test of its own; what it prints says what to do.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "weighbridge"
TESTS = ROOT / "tests"

# Made by tools, or by a running gateway.
NOT_OURS = {"__pycache__", "build", "data", "dist", "htmlcov", "node_modules"}
HIDDEN_BUT_OURS = {".ci", ".github", ".gitignore"}
TEXT = {"", ".cfg", ".css", ".html", ".ini", ".js", ".md", ".py", ".sh", ".sql", ".toml", ".txt", ".yaml", ".yml"}
# Recordings of what a wire carried: kept as they came, to the last blank.
RECORDINGS = {"golden", "recordings"}

# A name that fits everything says nothing: such a file gathers what nobody wanted to name.
VAGUE_NAMES = {"common", "data", "helper", "helpers", "lib", "manager", "misc", "stuff", "util", "utils"}
MAX_SOURCE_LINES = 600
MAX_TEST_LINES = 800

# Source files without a test file of their own, each with its reason. Keep it short.
UNPAIRED_SOURCE = {
    "cli/archive_access.py": "one function: tested with the commands `archive` and `erase`",
    "pipeline/batch_shares.py": "what both kinds of batches are added up by: tested in test_inline_batch.py and test_file_batch.py",
    "cli/data_store.py": "one context manager: tested with each command that opens the store",
    "control/acting.py": "what every resource of the admin API shares: tested with users, teams and keys",
    "control/allowance_scopes.py": "tested with budgets and limits, as actors of every place",
    "control/gauges.py": "tested through control/metrics_api.py",
    "control/key_views.py": "fields: tested in control/test_keys_api.py",
    "storage/correction_store.py": "tested with the corrections that it keeps, in control/test_price_corrections.py",
    "storage/usage_facts.py": "part of usage: tested in storage/test_usage_queries.py, by days in test_ledger_late_sums.py",
    "storage/usage_terms.py": "part of usage: tested in storage/test_usage_queries.py",
    "control/credit_board.py": "tested as the admin API and the command line show it",
    "control/paging.py": "fields of a query: tested with every list",
    "config/log_fields.py": "fields of the configuration: tested in config/test_logs.py, good and bad",
    "config/sign_in_fields.py": "fields of the configuration: tested in config/test_sign_in.py, good and bad",
    "config/archive_fields.py": "fields of the configuration: tested in control/test_archive_places.py, good and bad",
    "config/aws_fields.py": "fields of the configuration: tested in config/test_buckets.py and config/test_logs.py, good and bad",
    "config/alert_fields.py": "fields of the configuration: tested in config/test_alerts.py, good and bad",
    "pipeline/passing.py": "passes everything on: tested with what stands in front of it, witness.py and replay.py",
    "core/payloads.py": "structs without behaviour: tested where they are made and read",
    "core/alerts.py": "structs without behaviour: tested where they are made and read",
    "config/tariff_fields.py": "fields of the configuration: tested in config/test_tariffs.py, good and bad",
    "config/allowance_fields.py": "fields of the configuration: tested in config/test_allowances.py, good and bad",
    "pipeline/account.py": "what bookkeeper.py counts with: tested there",
    "pipeline/output_cap.py": "what bookkeeper.py decides, on the wire: tested there in every dialect",
    "pipeline/refusals.py": "sentences: tested where bookkeeper.py refuses",
    "pipeline/wanted.py": "what bookkeeper.py asks budgets for: tested there",
    "storage/ledger_checks.py": "tested in storage/test_ledger_store.py, on sound and on tampered ledgers",
    "storage/ledger_tables.py": "tables: storage/test_schema.py keeps them equal to the migrations",
    "storage/tables.py": "tables: storage/test_schema.py keeps them equal to the migrations",
    "storage/request_queries.py": "tested with usage_queries.py on both databases, and through control/requests_api.py",
    "auth/identities.py": "structs without behaviour: tested where they are made and read",
    "core/ports.py": "Protocols only: their adapters are tested",
    "pipeline/plan.py": "structs without behaviour: tested where they are made and read",
    "providers/base.py": "structs without behaviour: tested where they are filled",
    "wire/codecs.py": "Protocols and the structs that they take: their makers are tested",
    "wire/conversation.py": "structs without behaviour: tested where they are read and written",
    "wire/events.py": "structs without behaviour: tested where they are read and written",
    "wire/json_value.py": "two type aliases",
    "wire/rerank/terms.py": "structs without behaviour: tested where they are read and written",
    "__main__.py": "one line, run by the tests of the command line",
}
# Folders whose files are tested as a whole.
UNPAIRED_SOURCE_FOLDERS = {
    "storage/migrations": "run by the tests of the store, up and down",
}
# Test folders that follow a question and not a source file.
CROSS_CUTTING_TESTS = {"browser", "conformance", "golden", "journeys", "simulation"}
# Test files that look at several source files at once, each with its reason.
UNPAIRED_TESTS = {
    "control/test_monitoring_examples.py": "compares examples/monitoring with what is told",
    "control/test_schemathesis.py": "asks the whole admin API",
    "test_docs.py": "reads documents as their readers do",
    "test_generated.py": "compares documents with the code",
    "limits/test_table_rates.py": "one of the two things that limits/table.py counts",
    "pipeline/test_credits.py": "requests of a customer who pays in advance: accounts, bookkeeper and tariffs together",
    "routing/strategies/test_all_strategies.py": "what every strategy promises",
    "test_tidy.py": "looks at the repository",
}


def files(top: Path = ROOT) -> Iterator[Path]:
    for path in sorted(top.iterdir()):
        if path.name in NOT_OURS or path.name.endswith(".egg-info"):
            continue
        if path.name.startswith(".") and path.name not in HIDDEN_BUT_OURS:
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


@cache
def texts() -> dict[Path, str]:
    """Every text file of the repository."""
    return {path: path.read_text(encoding="utf-8") for path in files() if path.suffix in TEXT}


def pages() -> dict[Path, str]:
    return {path: text for path, text in texts().items() if path.suffix == ".md"}


def python_files(top: Path) -> list[Path]:
    return [path for path in texts() if path.suffix == ".py" and path.is_relative_to(top)]


def lines_that(pattern: str, among: Iterable[Path]) -> list[str]:
    found = re.compile(pattern, re.MULTILINE)
    return [
        f"{name(path)}:{texts()[path].count(chr(10), 0, match.start()) + 1}: {match[0].strip()[:60]}"
        for path in among
        for match in found.finditer(texts()[path])
    ]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def expect_none(offenders: Iterable[object], advice: str) -> None:
    listed = sorted(str(offender) for offender in offenders)
    if listed:
        pytest.fail(advice + "\n  " + "\n  ".join(listed), pytrace=False)


# --- source and test files


DOCSTRING = re.compile(r'(?:#.*\n|\s)*"""[`\w]')


def test_every_source_file_says_what_it_is() -> None:
    silent = [name(path) for path in python_files(SOURCE) if not DOCSTRING.match(texts()[path])]
    expect_none(silent, "Begin the file with a docstring: what it is, and why it is so.")


def needs_a_test(path: Path) -> bool:
    inside = path.relative_to(SOURCE).as_posix()
    in_exempt_folder = any(inside.startswith(folder + "/") for folder in UNPAIRED_SOURCE_FOLDERS)
    return not (path.name == "__init__.py" or inside.startswith("testing/") or inside in UNPAIRED_SOURCE or in_exempt_folder)


def test_every_source_file_has_its_test_file() -> None:
    missing = []
    for path in filter(needs_a_test, python_files(SOURCE)):
        test = TESTS / path.relative_to(SOURCE).parent / f"test_{path.stem}.py"
        if not test.is_file():
            missing.append(f"{name(path)} wants {name(test)}")
    expect_none(missing, "Write the test file, or list the source file in UNPAIRED_SOURCE with a reason.")


def test_every_test_file_has_its_source_file() -> None:
    orphans = []
    for path in python_files(TESTS):
        inside = path.relative_to(TESTS)
        if not path.name.startswith("test_") or inside.as_posix() in UNPAIRED_TESTS or inside.parts[0] in CROSS_CUTTING_TESTS:
            continue
        subject = SOURCE / inside.parent / path.stem.removeprefix("test_")
        if not (subject.with_suffix(".py").is_file() or subject.is_dir()):
            orphans.append(f"{name(path)} wants {name(subject)}.py")
    expect_none(
        orphans,
        f"Name the test file after its source file. What spans several belongs in one of {sorted(CROSS_CUTTING_TESTS)}, "
        "or in UNPAIRED_TESTS with a reason.",
    )


def test_exemptions_are_still_needed() -> None:
    exempt = [SOURCE / entry for entry in UNPAIRED_SOURCE] + [TESTS / entry for entry in UNPAIRED_TESTS]
    paired = [entry for entry in UNPAIRED_SOURCE if (TESTS / Path(entry).parent / f"test_{Path(entry).stem}.py").exists()]
    gone = [name(path) for path in exempt if not path.exists() and path.name != "__main__.py"]
    expect_none([*paired, *gone], "Remove the exemption: the file is gone, or has its partner now.")


def test_file_names_say_something() -> None:
    vague = [name(path) for path in texts() if VAGUE_NAMES & {*path.relative_to(ROOT).parts[:-1], path.stem.removeprefix("test_")}]
    expect_none(vague, "Name the file after the one concept in it.")


def test_python_file_names_are_modules() -> None:
    odd = [name(path) for path in python_files(ROOT) if not re.fullmatch(r"[a-z0-9_]+", path.stem)]
    expect_none(odd, "Use lower case, digits and underscores.")


def test_files_are_short_enough_to_read() -> None:
    long = []
    for path in python_files(ROOT):
        limit = MAX_TEST_LINES if path.is_relative_to(TESTS) else MAX_SOURCE_LINES
        if (count := texts()[path].count("\n")) > limit:
            long.append(f"{name(path)}: {count} lines, {limit} allowed")
    expect_none(long, "Split the file: one concept each.")


# --- contents


def test_no_merge_marker_is_left() -> None:
    expect_none(lines_that(r"^(<{7}|\|{7}|>{7}) .*|^={7}$", texts()), "Finish the merge.")


def test_no_line_ends_in_a_blank() -> None:
    clean = [path for path in texts() if not RECORDINGS & set(path.parts)]
    expect_none(lines_that(r"^.*[ \t\r]+$", clean), "Remove the blanks at the end of the line (`make fix`).")


def test_every_file_ends_with_one_line_feed() -> None:
    ragged = [
        name(path)
        for path, text in texts().items()
        if text and not RECORDINGS & set(path.parts) and (not text.endswith("\n") or text.endswith("\n\n"))
    ]
    expect_none(ragged, "End the file with exactly one line feed.")


def test_no_path_of_somebodys_machine_is_left() -> None:
    machine = r"(?<![\w.~/*\]}-])/(?:root|work|farm|home/\w+|Users/\w+)(?=[/\s\"'`),;:]|$)"
    expect_none(lines_that(machine, texts()), "Name a path inside the repository, or one that every machine has.")


def test_no_package_registry_is_named() -> None:
    hosts = "pypi|pythonhosted|npmjs|yarnpkg|crates|rubygems"
    advice = "Leave the choice of a package registry to the installer's own settings."
    expect_none(lines_that(rf"\b({hosts})\.(org|com|io)\b|--(extra-)?index-(?:url)", texts()), advice)


# --- dependencies


def pins() -> dict[str, str]:
    lines = [line for line in texts()[ROOT / "constraints.txt"].splitlines() if not line.startswith("#")]
    return dict(line.split("==", 1) for line in lines if "==" in line)


def test_constraints_are_names_and_versions() -> None:
    lines = texts()[ROOT / "constraints.txt"].splitlines()
    odd = [line for line in lines if not line.startswith("#") and not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.+!]*", line)]
    expect_none(odd, "Write `name==version`, as `make pins` does: no URL, no path, no option.")


def dependencies() -> list[Requirement]:
    project = tomllib.loads(texts()[ROOT / "pyproject.toml"])["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [Requirement(line) for line in lines]


def test_every_dependency_is_pinned_to_a_version_that_it_allows() -> None:
    wrong = []
    for requirement in dependencies():
        version = pins().get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            wrong.append(f"{requirement} is pinned to {version}")
    expect_none(wrong, "Install the dependency and run `make pins`.")


def test_every_dependency_is_justified() -> None:
    record = next((ROOT / "docs" / "decisions").glob("*-dependencies.md"))
    justified = set(re.findall(r"\*\*([a-z0-9-]+)\*\*", texts()[record]))
    declared = {canonicalize_name(requirement.name) for requirement in dependencies()}
    expect_none(declared ^ justified, f"Bring pyproject.toml and {name(record)} together: one sentence for each dependency.")


# --- documents

FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|^\[[^\]]+\]: (\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def links(page: str) -> list[str]:
    prose = CODE.sub("", FENCE.sub("", page))
    return [inline or reference for inline, reference in LINK.findall(prose)]


def anchors(page: str) -> set[str]:
    """The anchors that forges make: lower case, punctuation dropped, blanks as hyphens, repeats numbered."""
    found: set[str] = set()
    for heading in HEADING.findall(FENCE.sub("", page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        repeats = (f"{slug}-{number}" for number in range(1, len(page)))
        found.add(slug if slug not in found else next(other for other in repeats if other not in found))
    return found


def is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8"))


def test_every_relative_link_leads_somewhere() -> None:
    broken = [
        f"{name(page)}: {link}"
        for page, text in pages().items()
        for link in links(text)
        if not re.match(r"[a-z][a-z0-9+.-]*:", link) and is_broken(page, link)
    ]
    expect_none(broken, "Correct the link, or the heading that it names.")


NAMED_FILE = re.compile(r"`((?:[a-z0-9_]+/)+[a-z0-9_]+\.(?:py|toml|yaml))`")
# What was true when it was written stays as it was written.
HISTORY = {ROOT / "CHANGELOG.md", *(ROOT / "docs" / "decisions").glob("*.md")}


def test_documents_name_only_files_that_exist() -> None:
    lost = [
        f"{name(page)}: {named}"
        for page in pages().keys() - HISTORY
        for named in NAMED_FILE.findall(texts()[page])
        if not any((top / named).exists() for top in (ROOT, SOURCE))
    ]
    expect_none(lost, "Correct the document: a file is named from the root, or from src/weighbridge.")


def test_the_architecture_shows_every_package() -> None:
    shown = set(re.findall(r"^  ([a-z]+)/ ", texts()[ROOT / "ARCHITECTURE.md"], re.MULTILINE))
    packages = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    expect_none(packages ^ shown, "Bring the tree of ARCHITECTURE.md and the folders of src/weighbridge together.")


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(texts()[index])}
    lost = [name(page) for page in pages() if page.is_relative_to(index.parent) and page not in listed | {index}]
    expect_none(lost, "Link the page from docs/README.md.")


def test_decisions_are_numbered_without_gaps() -> None:
    found = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    wrong = [name(page) for number, page in enumerate(found, start=1) if not page.name.startswith(f"{number:04}-")]
    expect_none(wrong, "Number the decision after the last one, four digits, then a title: 0012-short-title.md.")


def test_every_decision_has_its_three_parts() -> None:
    found = (ROOT / "docs" / "decisions").glob("*.md")
    wrong = [name(page) for page in found if not {"context", "decision", "consequence"} <= anchors(texts()[page])]
    expect_none(wrong, "A decision has the headings Context, Decision and Consequence.")


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    changelog = texts()[ROOT / "CHANGELOG.md"]
    versions = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    expect_none({"[Unreleased]"} - set(versions[:1]), "Begin CHANGELOG.md with this section:")


# --- make


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", texts()[ROOT / "Makefile"], re.MULTILINE))


def test_make_help_shows_every_target() -> None:
    shown = set(re.findall(r"^([a-z]+):.*## \S", texts()[ROOT / "Makefile"], re.MULTILINE))
    expect_none(targets() - shown, "Say what the target does, after `##` on its line in the Makefile.")


def test_every_target_is_phony() -> None:
    phony = {target for line in re.findall(r"^\.PHONY: (.*)$", texts()[ROOT / "Makefile"], re.MULTILINE) for target in line.split()}
    expect_none(phony ^ targets(), "Bring .PHONY and the targets of the Makefile together.")


def test_documents_name_only_targets_that_exist() -> None:
    call = re.compile(r"(?:`|^)make ([a-z]+)", re.MULTILINE)
    named = {(name(page), target) for page, text in pages().items() for target in call.findall(text)}
    unknown = [f"{page}: make {target}" for page, target in named if target not in targets()]
    expect_none(unknown, "Name a target of the Makefile.")
