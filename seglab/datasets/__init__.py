"""From names, YAML files and folders to dataset specifications; downloads."""

# The modules that may be used from outside.
__all__ = ["join", "load", "pretrained", "spec", "yaml_file"]
