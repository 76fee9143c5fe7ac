"""The records that travel: utterances in; manifests, parts and stream handles out."""
