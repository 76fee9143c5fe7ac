"""The schemes of URIs, read by one rule for inputs and outputs, and what to use in place of those that are none."""

from __future__ import annotations

_INSTEAD = {
    "gs": "Google Cloud Storage speaks S3, too: s3://BUCKET/… with s3.endpoint_url: https://storage.googleapis.com and "
    "HMAC keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gcs": "Google Cloud Storage speaks S3, too: s3://BUCKET/… with s3.endpoint_url: https://storage.googleapis.com",
    "s3a": "write s3:// in place of s3a://",
    "s3n": "write s3:// in place of s3n://",
    "r2": "Cloudflare R2 speaks S3: s3://BUCKET/… with s3.endpoint_url: https://ACCOUNT.r2.cloudflarestorage.com",
    "minio": "MinIO speaks S3: s3://BUCKET/… with s3.endpoint_url",
    "az": "copy the files to a folder that is mounted, or to an S3 service",
    "abfs": "copy the files to a folder that is mounted, or to an S3 service",
    "abfss": "copy the files to a folder that is mounted, or to an S3 service",
    "wasbs": "copy the files to a folder that is mounted, or to an S3 service",
    "hdfs": "copy the files to a folder that is mounted, or to an S3 service",
    "ftp": "fetch the files first, and name the folder",
    "sftp": "fetch the files first, and name the folder",
    "ssh": "fetch the files first, and name the folder",
}


def split_scheme(uri: str) -> tuple[str, str]:
    """The scheme of a URI in small letters ("" for a path), and what follows "://" (the whole path)."""
    scheme, separator, rest = uri.partition("://")
    return (scheme.lower(), rest) if separator else ("", uri)


def instead_of(scheme: str) -> str:
    """What to use in place of a scheme that is not read or written, as the end of a message; "" where nothing helps."""
    hint = _INSTEAD.get(scheme, "")
    return f". {hint}" if hint else ""
