"""What a path or URI is: an output of ours, tars, tables, or a folder that holds some.

Guaranteed: it is looked at and opened, nothing of it is heard or changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ...actors.records.keys import ROOT_KEY
from ...cluster.storage import open_storage
from ...errors import CorpusError, JobError, SpecError, did_you_mean
from ..corpus.files import EXTENSIONS, InputFile, find_files
from ..corpus.matching import Match, matched_by
from ..corpus.options import InputOptions
from .audio_corpus import AudioCorpus, AudioCorpusOptions, AudioPart
from .output_parts import output_corpus
from .table_parts import TABLES, Table, table_parts
from .tar_parts import tar_parts

FORMATS = ("auto", "output", "webdataset", *sorted(TABLES))
_INSIDE = (
    "metadata.csv",
    "metadata.jsonl",
    "manifest.jsonl",
    "manifest.json",
    "*.tar",
    "*.parquet",
    "*.jsonl",
    "*.csv",
)
"""What a folder is taken for, in this order."""
_TAR = (".tar", ".tar.gz", ".tgz")


def open_corpus(options: AudioCorpusOptions) -> AudioCorpus:
    """Open a corpus, and look at its tables' columns.

    Raises:
        SpecError: An option is wrong, or a table lacks a column
        JobError: There is nothing there that can be read; the message says what may be there
    """
    if options.format not in FORMATS:
        raise SpecError(f'--format "{options.format:.40}": {did_you_mean(options.format, FORMATS)}')
    if options.format in ("auto", "output") and (found := _output(options)) is not None:
        return found
    if options.format == "output":
        raise JobError(f"no speechmill output here: {options.uri}/{ROOT_KEY} does not exist")
    options, matches = _files(options)
    if options.format == "webdataset":
        if options.audio is not None or options.root is not None:
            raise SpecError("--audio and --root are for tables; in a tar the clip lies beside its text")
        return AudioCorpus(options.uri, "webdataset", lambda: tar_parts(matches, options))
    tables = [Table.of(file, options) for file in _tables(options)]
    for table in tables:
        table.check()
    kind = "parquet" if all(table.file.format == "parquet" for table in tables) else "table"
    return AudioCorpus(options.uri, kind, lambda: _parts(tables))


def _parts(tables: Sequence[Table]) -> Iterator[AudioPart]:
    return table_parts(tables)


def _output(options: AudioCorpusOptions) -> AudioCorpus | None:
    """The output that lies there; None if none does."""
    if "://" in options.uri and not options.uri.lower().startswith(("s3://", "file://")):
        return None
    if "://" not in options.uri and not Path(options.uri).expanduser().is_dir():
        return None
    storage = open_storage(options.uri, options.s3)
    if options.uri.lower().startswith("s3://"):
        storage.check(write=False)
    return output_corpus(storage, options) if storage.exists(ROOT_KEY) else None


def _files(options: AudioCorpusOptions) -> tuple[AudioCorpusOptions, list[Match]]:
    """The files of a corpus, and its options with the format settled."""
    uri = options.uri
    path = Path(uri).expanduser()
    if "://" not in uri and path.is_dir():
        name = next((name for name in _INSIDE if any(path.glob(name))), None)
        if name is None:
            raise CorpusError(
                f"{uri} holds no {ROOT_KEY} of ours and none of {', '.join(_INSIDE)}; name a table, or a glob of tars "
                "or parquet files"
            )
        options = replace(options, uri=f"{uri.rstrip('/')}/{name}")
    matches = list(matched_by([options.uri], _input(options)).values())
    if options.format != "auto":
        return options, matches
    names = [match.name.lower() for match in matches]
    if all(name.endswith(_TAR) for name in names):
        return replace(options, format="webdataset"), matches
    if any(name.endswith(_TAR) for name in names):
        raise CorpusError(f"{options.uri} names tars and other files; judge them one after the other")
    if len(matches) == 1 and _is_ljspeech(_first_line(matches[0], options), options):
        return replace(options, format="ljspeech"), matches
    if all(name.removesuffix(".gz").endswith(".json") for name in names):  # so NeMo calls its manifests
        return replace(options, format="jsonl"), matches
    for name in names:
        if Path(name.removesuffix(".gz")).suffix not in {*EXTENSIONS} - {".txt"}:
            raise CorpusError(
                f"{options.uri}: cannot tell the format of {name!r:.200} from its name; set --format "
                f"({', '.join(FORMATS[1:])})"
            )
    return options, matches


def _tables(options: AudioCorpusOptions) -> tuple[InputFile, ...]:
    return find_files(_input(options))


def _input(options: AudioCorpusOptions) -> InputOptions:
    known = options.format if options.format in TABLES else "auto"
    return InputOptions(uri=options.uri, format=known, s3=options.s3)  # pyright: ignore[reportArgumentType]


def _is_ljspeech(first: str, options: AudioCorpusOptions) -> bool:
    """Whether a first line is LJSpeech's: an id and a text between "|", and no header."""
    fields = [field.strip() for field in first.split("|")]
    header = {"id", "text", "audio", "file_name", "path", options.text, options.audio, options.id}
    return len(fields) in (2, 3) and not header & set(fields) and "/" not in fields[0] and " " not in fields[0]


def _first_line(match: Match, options: AudioCorpusOptions) -> str:
    if not match.name.lower().endswith(".csv"):
        return ""
    try:
        with match.store.open(match.key) if match.store is not None else Path(match.key).open("rb") as file:
            return next(islice(file, 1), b"")[: 1 << 16].decode("utf-8", "replace")
    except OSError as error:
        raise CorpusError(f"{match.uri} cannot be read: {error.strerror or error}") from error
