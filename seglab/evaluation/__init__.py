"""How good is it: the COCO and YOLO protocols, curves, error breakdown, ceilings and the doctor."""
