"""One module a row of the bench: its `NAME`, and `measure(bench)`, which gives its findings."""
