"""What a reader takes in at one line is one thing."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

import pytest

import seglab

PACKAGE = Path(seglab.__file__).parent
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
TREES = {name: ast.parse(text) for name, text in SOURCES.items()}
MAX_TOKENS_A_LINE = 11.0  # 12.3 before 0.2.0
MIN_COMMENTS = 0.02  # lines that are comments, a line of code; .008 before 0.2.0
LONG = 40  # lines of code in a function, from which a comment has to say why before its steps


def statements_of(name: str, of: type) -> list:
    return [node for node in ast.walk(TREES[name]) if isinstance(node, of)]


@pytest.mark.parametrize("name", SOURCES)
def test_one_statement_assigns_one_thing_or_a_pair(name):
    """`a, b, c = x, y, z` are three statements in one; unpacking what is one value already is not.

    Two at once are for what is one thing in two numbers, such as `height, width`: a reader sees that, a test does not.
    """
    for node in statements_of(name, ast.Assign):
        targets = node.targets[0]
        if isinstance(targets, ast.Tuple) and isinstance(node.value, ast.Tuple):
            assert len(targets.elts) < 3, f"{name}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("name", SOURCES)
def test_no_conditional_expression_stands_within_another(name):
    for node in statements_of(name, ast.IfExp):
        inner = [part for part in ast.walk(node) if isinstance(part, ast.IfExp) and part is not node]
        assert not inner, f"{name}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("name", SOURCES)
def test_no_tuple_without_names_has_more_than_four_columns(name):
    for node in statements_of(name, ast.FunctionDef):
        for part in ast.walk(node.returns) if node.returns else ():
            if (
                isinstance(part, ast.Subscript)
                and ast.unparse(part.value) == "tuple"
                and isinstance(part.slice, ast.Tuple)
            ):
                assert len(part.slice.elts) <= 4, f"{name}:{node.lineno}: {node.name} -> {ast.unparse(part)}"


def lines_of(name: str) -> tuple[int, set[int], set[int]]:
    """Tokens of code, and the lines that hold code and that hold a comment; docstrings are neither."""
    docstrings: set[int] = set()
    for node in ast.walk(TREES[name]):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            docstrings.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    layout = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    tokens = 0
    code: set[int] = set()
    comments: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(SOURCES[name]).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in layout and token.start[0] not in docstrings:
            tokens += 1
            code.update(range(token.start[0], token.end[0] + 1))
    return tokens, code, comments


LINES = {name: lines_of(name) for name in SOURCES}


@pytest.mark.parametrize("name", SOURCES)
def test_a_long_function_says_why_before_its_steps(name):
    _, code, comments = LINES[name]
    for node in statements_of(name, ast.FunctionDef):
        body = set(range(node.lineno, node.end_lineno + 1))
        if len(body & code) > LONG:
            assert len(body & comments) >= 3, f"{name}:{node.lineno}: {node.name}"


def test_lines_stay_shorter_and_comments_more_than_they_were():
    code = sum(len(code) for _, code, _ in LINES.values())
    tokens = sum(tokens for tokens, _, _ in LINES.values())
    comments = sum(len(comments - code) for _, code, comments in LINES.values())
    assert tokens / code < MAX_TOKENS_A_LINE
    assert comments / code > MIN_COMMENTS


# Modules that are only part of another's work, and the tests of that work.
TESTED_WITHIN = {
    "convert/dataset_writer": "convert/test_conversion",
    "convert/finish": "convert/test_conversion",
    "datasets/other_formats": "formats/test_round_trip",
    "formats/format": "formats/test_round_trip",
    "formats/label_files": "formats/test_labelme",
    "formats/registry": "formats/test_round_trip",
    "formats/shapes": "formats/test_labelme",
    "inference/instances": "inference/test_results",
    "inference/overview": "inference/test_tiles",
    "inference/results_io": "inference/test_results",
    "opening": "test_yolo",
    "training/preparation": "test_yolo",
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_module_has_tests_where_they_are_looked_for(name):
    """In the file of its name; those of config/ and cli/ in one file, tests/test_config.py and tests/test_cli.py."""
    tests = Path(__file__).parent
    module = Path(name).with_suffix("")
    if module.name in ("__init__", "__main__"):
        return
    own = tests / module.parent / f"test_{module.name}.py"
    of_folder = tests / f"test_{module.parent}.py"
    within = tests / f"{TESTED_WITHIN.get(module.as_posix(), '?')}.py"
    assert own.is_file() or of_folder.is_file() or within.is_file(), f"{name} has no {own.relative_to(tests)}"
