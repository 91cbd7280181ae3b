"""The YOLO11-seg network: blocks, head, the whole, and its weights."""
