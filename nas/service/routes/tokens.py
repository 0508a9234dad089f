"""/v1/tokens: make, list and revoke tokens. For administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from nas.service.problems import Refusal, responses
from nas.service.routes.common import Lent
from nas.storage.tokens import Scope, Token, Tokens
from nas.value import Value

ROUTERS = [router := APIRouter(prefix="/v1/tokens", tags=["tokens"])]


class NewToken(Value):
    """What a new token allows, and what it is called."""

    scope: Scope
    name: str = Field("", max_length=200, pattern=r"^[^\x00]*$")


class MadeToken(Value):
    """A new token. `text` is shown this once."""

    token: Token
    text: str


class TokenList(Value):
    """Tokens, without their secrets."""

    tokens: tuple[Token, ...]


@router.post("", status_code=201, response_model=MadeToken, responses=responses(422))
def create_token(new: NewToken, store: Lent) -> MadeToken:
    """Make a token."""
    token, text = Tokens.of(store).create(new.scope, new.name)
    return MadeToken(token=token, text=text)


@router.get("", response_model=TokenList)
def list_tokens(store: Lent) -> TokenList:
    """All tokens, the revoked ones too."""
    return TokenList(tokens=tuple(Tokens.of(store).all()))


@router.delete("/{number}", response_model=Token, responses=responses(404))
def revoke_token(number: Annotated[str, Path(max_length=16, pattern=r"^[0-9a-f]+$")], store: Lent) -> Token:
    """Let a token open nothing more."""
    tokens = Tokens.of(store)
    if not any(token.id == number for token in tokens.all()):
        raise Refusal(404, f"there is no token {number!r}")
    return tokens.revoke(number)
