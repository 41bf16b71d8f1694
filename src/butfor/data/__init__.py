"""Data: any frame, file or table in, one clean sample out."""

from butfor.data.dataset import Dataset, open_dataset
from butfor.data.draw import complete_rows, draw_sample, sample_request
from butfor.data.request import Request
from butfor.data.rows import Rows
from butfor.data.sample import Cluster, Covariates, Loss, Sample, Subgroup, Treatment

__all__ = [
    "Cluster",
    "Covariates",
    "Dataset",
    "Loss",
    "Request",
    "Rows",
    "Sample",
    "Subgroup",
    "Treatment",
    "complete_rows",
    "draw_sample",
    "open_dataset",
    "sample_request",
]
