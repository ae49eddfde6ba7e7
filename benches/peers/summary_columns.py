"""The summaries that lifetimes reads, as the raw columns that fit_and_score reads.

usage: summary_columns.py SUMMARIES OUT

fit_and_score.rs says what the file looks like. Run by the interpreter that has lifetimes, as that has NumPy.
"""

import sys

import numpy as np
import pandas as pd


def main():
    summaries, out = sys.argv[1:]
    table = pd.read_parquet(summaries)
    with open(out, "wb") as file:
        np.array([len(table)], dtype="<u8").tofile(file)
        table["frequency"].to_numpy(dtype="<u8").tofile(file)
        for name in ("recency_age", "customer_age", "monetary_value"):
            table[name].to_numpy(dtype="<f8", na_value=np.nan).tofile(file)


if __name__ == "__main__":
    main()
