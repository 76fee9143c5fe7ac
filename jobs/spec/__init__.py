"""The specification of a job."""
