"""Names, YAML files and folders to dataset specifications; downloads."""
