"""The rules that manifests keep, a kind of object to each file."""
