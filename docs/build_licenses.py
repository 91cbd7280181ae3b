"""The license of every installed package, as its own metadata says: `python docs/build_licenses.py`."""

from __future__ import annotations

from importlib.metadata import Distribution, distributions

CLASSIFIER = "License :: "
MAX_TEXT = 60  # characters: some packages have the whole text of the license in the field for its name


def license_of(package: Distribution) -> str:
    """What the metadata of a package says: the expression, else the classifiers, else the first line of the text."""
    about = package.metadata
    expression = about.get("License-Expression")
    if expression:
        return expression
    classifiers = [text.split(" :: ")[-1] for text in about.get_all("Classifier", []) if text.startswith(CLASSIFIER)]
    text = (about.get("License") or "").strip()
    first_line = text.splitlines()[0][:MAX_TEXT] if text else "not stated"
    return ", ".join(classifiers) or first_line


def main() -> None:
    packages = {package.metadata["Name"]: package for package in distributions()}
    width = max(map(len, packages))
    for name in sorted(packages, key=str.lower):
        print(f"{name:<{width}}  {packages[name].version:<18}  {license_of(packages[name])}")


if __name__ == "__main__":
    main()
