"""Streams as Arrow tables, pandas and polars data frames, and Parquet files. Each needs an extra."""
