"""Experiment trackers that follow a training where a user names them, one file each, by their own libraries."""
