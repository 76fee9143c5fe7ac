"""A tokenizer of the published kind, with a vocabulary made by rule: BERT's normalisation and word pieces.

Guarantees the published ids of [PAD], [UNK] and the special tokens, and that every ASCII letter, digit and punctuation
mark has a piece, in the first place and after it. Every Chinese character is a token of its own while the vocabulary
has room. Like the published file, truncation and padding to 256 are switched on: a reader must switch them off.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from itertools import islice

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import WordPiece

from .layout import PAD_ID, SPECIAL_TOKENS, UNKNOWN_ID, Sizes

FIXED_LENGTH = 256
_MARKS = {PAD_ID: "[PAD]", UNKNOWN_ID: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
_ALPHABET = string.ascii_lowercase + string.digits
_CHINESE_PUNCTUATION = "，。、！？：；（）「」《》“”‘’…—"
_FIRST_CHINESE, _LAST_CHINESE = 0x4E00, 0x9FFF


def tokenizer_json(sizes: Sizes) -> str:
    """The tokenizer.json for a vocabulary of this size. The same for the same size."""
    vocab = {piece: place for place, piece in enumerate(islice(_pieces(), sizes.first_special))}
    tokenizer = Tokenizer(WordPiece(vocab, unk_token=_MARKS[UNKNOWN_ID]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([*_MARKS.values(), *SPECIAL_TOKENS])
    tokenizer.enable_truncation(FIXED_LENGTH)
    tokenizer.enable_padding(length=FIXED_LENGTH, pad_id=PAD_ID, pad_token=_MARKS[PAD_ID])
    return tokenizer.to_str()


def _pieces() -> Iterator[str]:
    """The vocabulary in the order of ids, without an end."""
    yield from (_MARKS.get(place, f"[unused{place}]") for place in range(max(_MARKS) + 1))
    yield from _ALPHABET
    yield from (f"##{character}" for character in _ALPHABET)
    yield from string.punctuation + _CHINESE_PUNCTUATION
    yield from (chr(code) for code in range(_FIRST_CHINESE, _LAST_CHINESE + 1))
    filler = max(_MARKS) + 1
    while True:
        yield f"[unused{filler}]"
        filler += 1
