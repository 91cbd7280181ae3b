"""What scripts written for ultralytics carry."""
