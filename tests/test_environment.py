"""The versions in pyproject.toml, requirements.lock, environment.yml, CITATION.cff agree."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_NAMES = {"pytorch": "torch"}
CONDA_ONLY = {"python", "pip"}


def pins(lines) -> dict[str, str]:
    """Name -> version of `name==version` lines; raises ValueError for a line of any other form."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line)
        if not match:
            raise ValueError(f"not an exact pin: {line!r}")
        found[canonicalize_name(CONDA_NAMES.get(match[1], match[1]))] = match[2]
    return found


LINES = (ROOT / "requirements.lock").read_text().splitlines()
LOCK = pins(line for line in LINES if not line.startswith("#"))
EXTRAS = PROJECT["optional-dependencies"].values()
WANTED = PROJECT["dependencies"] + [line for extra in EXTRAS for line in extra]
IN_CONDA = (Path(sys.prefix) / "conda-meta").is_dir()


@pytest.mark.parametrize(
    "line", ["numpy>=1.26", "torch==2.13.0+cpu", "-e .", "numpy @ file:///numpy.whl", ""]
)
def test_only_exact_pins_are_pins(line):
    with pytest.raises(ValueError, match="not an exact pin"):
        pins([line])


@pytest.mark.parametrize("line", WANTED)
def test_the_lock_satisfies_the_project(line):
    wanted = Requirement(line)
    assert LOCK[canonicalize_name(wanted.name)] in wanted.specifier


@pytest.mark.parametrize("name", LOCK)
@pytest.mark.skipif(IN_CONDA, reason="conda chooses the indirect dependencies itself")
def test_the_lock_is_complete_and_installed(name):
    assert metadata.version(name).split("+")[0] == LOCK[name]
    for line in metadata.requires(name) or []:
        needed = Requirement(line)
        # PyPI's torch brings its own CUDA.
        for_cuda = name == "torch" and re.match("nvidia|cuda|triton", needed.name)
        if not for_cuda and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            version = LOCK[canonicalize_name(needed.name)]
            assert version in needed.specifier, f"{name} needs {line}"


@pytest.mark.parametrize("line", WANTED)
def test_ci_reads_the_lowest_version(line):
    assert re.fullmatch(r"[A-Za-z0-9._-]+[>=]=[0-9.]+(\.post1)?", line)
    assert ">=" not in line or f'    "{line}",\n' in (ROOT / "pyproject.toml").read_text()


def test_torch_is_pinned():
    assert LOCK["torch"] == "2.13.0"


def test_conda_has_the_versions_of_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (from_pip,) = (entry["pip"] for entry in environment if isinstance(entry, dict))
    lines = [line for line in environment if isinstance(line, str)]
    from_conda = [line for line in lines if line.split("=")[0] not in CONDA_ONLY]
    assert from_pip[-1] == "--editable ."
    named = pins(from_conda + from_pip[:-1])
    assert named == {name: LOCK[name] for name in named}
    assert named.keys() >= {canonicalize_name(Requirement(line).name) for line in WANTED}


def faults_of_citations(*paths) -> str:
    """What the schema of the Citation File Format finds wrong; empty where all are valid."""
    schema = ["--builtin-schema", "vendor.citation-file-format"]
    command = [sys.executable, "-m", "check_jsonschema", *schema, *paths]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    return checked.stdout + checked.stderr if checked.returncode else ""


def test_the_citation_is_valid_and_of_this_version():
    path = ROOT / "CITATION.cff"
    assert faults_of_citations(path) == ""
    citation = yaml.safe_load(path.read_text())
    assert citation["version"] == PROJECT["version"] == metadata.version("fuzzydiff_lite")
    assert " AND ".join(citation["license"]) == PROJECT["license"]


def test_a_broken_citation_is_noticed(tmp_path):
    text = (ROOT / "CITATION.cff").read_text()
    cases = [
        ("\ntitle:", "\ntilte:", "$: 'title' is a required property"),
        ("message:", "massage:", "$: Additional properties are not allowed ('massage'"),
        ("cff-version: 1.2.0", "cff-version: 1.1.0", "$['cff-version']: '1.1.0'"),
        ("type: software", "type: book", "$.type: 'book' is not one of"),
        ("[BSD-3-Clause,", "[BSD3,", "$.license"),
        ("type: other", "type: arxiv", "$.references[0].identifiers[0]"),
        ("family-names:", "last-name:", "$.references[0].authors[0]"),
        ("authors:", "authors: [", "Failed to parse"),
    ]
    broken = []
    for i, (right, wrong, _) in enumerate(cases):
        assert right in text
        broken.append(tmp_path / f"{i}.cff")
        broken[-1].write_text(text.replace(right, wrong, 1))
    found = faults_of_citations(*broken).splitlines()
    for path, (_, wrong, fault) in zip(broken, cases):
        assert any(path.name in line and fault in line for line in found), wrong
