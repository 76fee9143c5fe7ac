"""Object stores behind one small interface: `file://` and `s3://`."""
