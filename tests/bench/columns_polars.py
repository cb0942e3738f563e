"""The classes of the same rows by polars: the other side of `columns.rs`, which starts this and asks over stdin.

Arguments: the data file, the number of rows, and the table as JSON: one [direction, limits] for every column. The file
holds the columns one after the other as little-endian 64-bit floats; a missing value is negative. Every column that
polars sees is free of nulls, the loosest form for it. Each line on stdin names a form; the answer is a JSON line.
"""

import json
import sys
import time

import numpy
import polars as pl

SCALE = 10_000_000
REQUIRED = ["c0", "c1", "c2", "c5"]


def above(column, direction, limits, cls):
    """Whether a column's value is worse than the limit of a class."""
    value = pl.col(column)
    if direction == "range":
        low, high = limits[0], limits[1]
        return (value >= 0) & ((value < low) | (value > high))
    if direction == "at_least":
        return (value >= 0) & (value < limits[cls])
    return value > limits[cls]


def by_sum(table):
    """Classes exceeded by each indicator, then the largest of them."""
    each = []
    for at, (direction, limits) in enumerate(table):
        terms = [above(f"c{at}", direction, limits, cls).cast(pl.UInt8) for cls in range(5)]
        each.append(terms[0] + terms[1] + terms[2] + terms[3] + terms[4])
    return pl.max_horizontal(each)


def by_any(table):
    """For each class whether any indicator exceeds it, then how many classes are exceeded."""
    terms = []
    for cls in range(5):
        one = [above(f"c{at}", direction, limits, cls) for at, (direction, limits) in enumerate(table)]
        terms.append(pl.any_horizontal(one).cast(pl.UInt8))
    return terms[0] + terms[1] + terms[2] + terms[3] + terms[4]


def main():
    path, rows, table = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    data = numpy.fromfile(path, dtype="<f8").reshape(len(table), rows)
    floats = pl.DataFrame({f"c{at}": data[at] for at in range(len(table))})
    whole = pl.DataFrame({f"c{at}": numpy.rint(data[at] * SCALE).astype("int32") for at in range(len(table))})
    exact = [[direction, [round(limit * SCALE) for limit in limits]] for direction, limits in table]
    forms = {
        "float64 sum": (floats, by_sum(table)),
        "float64 any": (floats, by_any(table)),
        "int32 sum": (whole, by_sum(exact)),
        "int32 any": (whole, by_any(exact)),
    }
    print(json.dumps({"version": pl.__version__, "threads": pl.thread_pool_size(), "forms": list(forms)}), flush=True)
    for line in sys.stdin:
        frame, worst = forms[line.strip()]
        assessed = pl.all_horizontal([pl.col(column) >= 0 for column in REQUIRED])
        start = time.perf_counter_ns()
        classes = pl.when(assessed).then(worst).otherwise(6).alias("class")
        counts = frame.lazy().select(classes).group_by("class").len().collect()
        nanoseconds = time.perf_counter_ns() - start
        by_class = dict(zip(counts["class"].to_list(), counts["len"].to_list()))
        print(json.dumps({"nanoseconds": nanoseconds, "counts": [by_class.get(at, 0) for at in range(7)]}), flush=True)


main()
