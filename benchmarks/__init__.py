"""What Weighbridge costs: CPU, memory and latency, measured beside nginx in the same run.

`python -m benchmarks --help` lists the programs; docs/explanation/benchmarks.md says how each one measures.
"""
