"""Side-by-side measurements with ultralytics and other tools: `python -m benchmarks.NAME`; see docs/performance.md."""
