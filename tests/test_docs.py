"""The documentation is correct: links resolve, commands exist, YAML parses, tables are current."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import click
import pytest
from ruamel.yaml import YAML

from tandem import cli
from tandem.core import io

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
    ]
)
FENCE = re.compile(r"^( *)(```+)(\S*)[^\n]*\n(.*?)^\1\2 *$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^()\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str, *languages: str) -> list[str]:
    """The contents of the fenced code blocks whose language is one of `languages`."""
    return [content for _, _, language, content in FENCE.findall(text) if language in languages]


def prose(page: Path) -> str:
    """The text of a page without its fenced code blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST generate them."""
    headings = re.findall(r"^#+ +(.+)$", prose(page), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(plain)


def test_anchors_are_formed_as_on_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A & B: `c_d`?\n```sh\n# not a heading\n```\n## 8. It's so-so\n")
    assert anchors(page) == {"a--b-c_d", "8-its-so-so"}


def broken_links(page: Path) -> list[str]:
    """The relative links whose target file or heading does not exist."""
    broken = []
    for link in LINK.findall(prose(page)):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](#one) [b](#two) [c](page.md#one) ![d](no.svg) [e](https://x/y)\n")
    assert broken_links(page) == ["#two", "no.svg"]


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_relative_links_resolve(page: Path) -> None:
    assert broken_links(page) == []


def test_every_page_is_in_one_table_of_contents_and_exists() -> None:
    listed = [DOCS / "index.md"]
    for page in PAGES:
        for content in blocks(page.read_text(encoding="utf-8"), "{toctree}"):
            entries = [line for line in content.splitlines() if line and not line.startswith(":")]
            listed += [page.parent / f"{entry}.md" for entry in entries]
    assert sorted(listed) == [page for page in PAGES if DOCS in page.parents]


def messages() -> Iterator[str]:
    """Tandem's messages, as quoted on the troubleshooting page, with `…` for parts that vary."""
    for row in (DOCS / "troubleshooting.md").read_text(encoding="utf-8").splitlines():
        for quoted in CODE.findall(row.split("|")[1] if row.startswith("| ") else ""):
            if "…" in quoted and " " in quoted:
                yield quoted


def texts_of_source() -> list[str]:
    """All strings in src, with a null character in place of each interpolated value."""
    texts = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else "\0" for v in node.values)
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def test_troubleshooting_quotes_messages_that_exist() -> None:
    texts, quoted = texts_of_source(), [*messages()]
    assert len(quoted) > 20
    for message in quoted:
        parts = [part.strip(" .:;,?`()") for part in message.split("…")]
        for part in filter(None, parts):
            assert any(part in text for text in texts), f"{part!r} of {message!r}"


def commands(text: str) -> Iterator[str]:
    """The commands `tandem COMMAND` in shell blocks and inline code, without their arguments."""
    shell = "\n".join(blocks(text, "sh", "console"))
    for code in [*shell.splitlines(), *CODE.findall(FENCE.sub("", text))]:
        code = re.sub(r"(^|\s)#.*", "", code)  # a shell comment
        for name in re.findall(r"(?<![\w./-])tandem +((?:lineage +)?[a-z][a-z-]*)", code):
            yield " ".join(name.split())


def test_commands_are_found_in_text() -> None:
    text = "`tandem check`, `tandem lineage  show X`, `tandem.core`, tandem is, `tandem STAGE TASK`"
    shell = "\n```sh\necho a | tandem predict intent   # tandem says\n```\n"
    assert set(commands(text + shell)) == {"check", "lineage show", "predict"}


def existing_commands() -> set[str]:
    """All commands; those in a group have names such as `lineage show`."""
    context = click.Context(cli.COMMANDS, info_name="tandem")
    names = set(cli.COMMANDS.list_commands(context))
    for tools in cli.TOOLS.values():
        for tool in tools:
            if isinstance(tool, click.Group):
                names |= {f"{tool.name} {name}" for name in tool.list_commands(context)}
    return names


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert {*commands(text)} - existing_commands() == set()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_yaml_and_json_parse(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for block in blocks(text, "yaml"):
        content = YAML(typ="safe", pure=True).load(textwrap.dedent(block))
        assert isinstance(content, dict | list) and content, block
    for block in blocks(text, "json"):
        assert json.loads(block), block


def script() -> ModuleType:
    """The module benchmarks/readme.py."""
    spec = importlib.util.spec_from_file_location("readme_script", ROOT / "benchmarks/readme.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_results_is_that_of_the_summary() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = script().table(io.read_json(ROOT / "reports/summary.json"))
    assert script().with_table(readme, lines) == readme


def summary(**values: tuple[str, str, float]) -> Iterator[dict[str, object]]:
    for variant, metric, value in values.values():
        interval = {"low": value - 0.1, "high": value + 0.1, "n": 1000, "seed": 13}
        yield {
            "task": "sentiment",
            "variant": variant,
            "metric": metric,
            "value": value,
            **interval,
        }


def test_the_table_names_the_best_baseline_in_either_direction() -> None:
    rows = summary(
        a=("base", "bits_per_byte", 1.0),
        b=("baseline/ngram", "bits_per_byte", 3.0),
        c=("baseline/unadapted", "bits_per_byte", 2.0),
        d=("base", "accuracy", 0.9),
        e=("baseline/tfidf", "accuracy", 0.8),
        f=("baseline/majority", "accuracy", 0.5),
        g=("human", "accuracy", 0.95),
        h=("int8", "accuracy", 0.85),
        i=("base", "size_bytes", 4e6),
        j=("int8", "size_bytes", 1e6),
    )
    assert script().table([*rows])[2:] == [
        "| sentiment | Accuracy | 1,000 | 0.900 (0.800–1.000) | 0.850 "
        "| tfidf 0.800; one human rater 0.950 |",
        "|  | Bits per byte (lower is better) | 1,000 | 1.000 (0.900–1.100) |  | unadapted 2.000 |",
        "|  | Weights, MB |  | 4.0 | 1.0 |  |",
    ]


def test_the_rest_of_the_text_stays() -> None:
    module = script()
    text = f"before\n{module.BEGIN}\nold\n{module.END}\nafter\n"
    assert module.with_table(text, ["new"]) == text.replace("old", "new")
    with pytest.raises(module.StageError, match=r"README\.md has no"):
        module.with_table("no markers", ["new"])


class Requests(HTMLParser):
    """Collects the URLs that a browser would load for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        loaded = values.get("src") if tag != "link" else values.get("href")
        self.urls += [loaded] if loaded else []


def requests(page: Path) -> list[str]:
    """The URLs on other hosts that a page or a style sheet loads."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".css":
        urls = re.findall(r"url\(['\"]?([^'\")]+)|@import ['\"]([^'\"]+)", text)
        found = [url for pair in urls for url in pair]
    else:
        parser = Requests()
        parser.feed(text)
        found = parser.urls
    return [url for url in found if re.match(r"(https?:)?//", url)]


def test_requests_are_found(tmp_path: Path) -> None:
    page, style = tmp_path / "a.html", tmp_path / "a.css"
    page.write_text('<a href="https://a"></a><script src="https://b"></script><img src="c.svg">')
    style.write_text("@import 'https://d'; a {background: url(//e)} b {background: url(f.svg)}")
    assert requests(page) == ["https://b"] and requests(style) == ["https://d", "//e"]


@pytest.mark.slow
def test_the_site_builds_without_warnings_and_loads_nothing_from_the_network(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--nitpicky"]
    done = subprocess.run(
        [*command, str(DOCS), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    pages = [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")]
    assert {page.name: found for page in pages if (found := requests(page))} == {}
    for page in PAGES:
        if DOCS in page.parents:
            assert (tmp_path / page.relative_to(DOCS).with_suffix(".html")).exists()
