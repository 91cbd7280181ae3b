"""Side-by-side measurements with the peer and other tools: `python -m benchmarks.NAME`; see docs/performance.md."""
