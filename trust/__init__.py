"""The proof of what SECURITY.md and docs/reliability.md promise. `make trust` runs it; nothing here is part of seglab.

changes     a valid document with something else in every place
parsers     every reader of files from strangers, as a function of bytes
fuzz        coverage-guided fuzzing of the parsers, with a corpus that is kept
verbs       small trainings, conversions, exports, ... : how to start one, how to start it again, what it leaves
disk        failures and kills at the n-th write, fsync, rename or read (disk.c makes them)
faults      every verb with each of its file operations failing once
kills       every verb killed at many points
conditions  full and read-only disks, signals, notebooks, numbers that are not finite
load        much of everything: images, frames, classes, objects, threads
report      docs/reliability.md, written from what was measured
"""
