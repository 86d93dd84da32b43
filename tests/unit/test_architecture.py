"""Who may import whom: `ARCHITECTURE.md`, the house."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"corridor", "producers", "streams", "sinks", "commands", "deploy", "bench"}
ALLOWED = {
    "corridor": {"corridor"},
    "producers": {"producers", "corridor"},
    "streams": {"streams", "corridor"},
    "sinks": {"sinks", "corridor"},
    "deploy": {"deploy", "corridor"},
    "commands": OURS,
    "bench": OURS,
}


def imported_packages(path: Path) -> set[str]:
    """Top-level names that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in imported_packages(path) & OURS - ALLOWED[package]
    }
    assert not wrong


KERNEL_IMPURE = {"kafka", "faust", "aiokafka", "clickhouse_driver", "requests", "socket", "asyncio"}


def test_the_kernel_does_no_input_or_output() -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / "corridor").rglob("*.py")
        for name in imported_packages(path) & KERNEL_IMPURE
    }
    assert not wrong
