"""Credentials that can be looked up again, while clients that sign with them live on.

botocore renews what it fetches itself (roles, tokens, instance metadata) before it expires. A credentials file that
another program writes anew it reads once.
Guaranteed: boto3's own chain decides, at the first use and at every `renew`; threads may share a chain.
Not known here: when credentials are refused. No secret leaves this module but into signatures.
"""

from __future__ import annotations

import threading
from typing import Any

import botocore.session
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError


class CredentialChain:
    """What a session asks for credentials, in place of botocore's resolver; `version` counts those found."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Any = None
        self.version = 0

    def load_credentials(self) -> Credentials | None:
        """The ones to sign with, None if there are none.

        Raises:
            BotoCoreError: boto3 finds no usable credentials
        """
        with self._lock:
            self._found = _look_up()
            return None if self._found is None else _Current(self)

    def renew(self, seen: int) -> bool:
        """Look them up again, unless another thread found newer ones than `seen`; whether there are newer ones."""
        with self._lock:
            if self.version != seen:
                return True
            try:
                found = _look_up()
                is_new = found is not None and _frozen(found) != _frozen(self._found)
            except (BotoCoreError, ClientError, RuntimeError):
                # A file that is half written, a service that is away or has none but expired ones (RuntimeError).
                return False
            if is_new:
                self._found = found
                self.version += 1
            return is_new

    @property
    def found(self) -> Any:
        """The botocore credentials of this moment."""
        return self._found


class _Current(Credentials):
    """The chain's credentials of this moment, as botocore's signers ask for them."""

    def __init__(self, chain: CredentialChain) -> None:
        found = chain.found
        self._chain = chain
        super().__init__(found.access_key, found.secret_key, found.token, found.method)

    def get_frozen_credentials(self) -> Any:
        """Key, secret and token that belong together."""
        return self._chain.found.get_frozen_credentials()


def _look_up() -> Any:
    return botocore.session.Session().get_credentials()


def _frozen(credentials: Any) -> tuple[str, str, str | None]:
    frozen = credentials.get_frozen_credentials()
    return frozen.access_key, frozen.secret_key, frozen.token
