"""nas token: makes, lists and revokes the tokens of the service."""

from __future__ import annotations

import argparse

from nas.cli.output import show
from nas.errors import UserError
from nas.storage import open_store
from nas.storage.tokens import Tokens
from nas.text import table


def run(args: argparse.Namespace) -> int:
    if args.id is not None and args.action != "revoke":
        raise UserError(f"nas token {args.action} takes no ID")
    return _ACTIONS[args.action](args)


def _create(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=True) as store:
        token, text = Tokens.of(store).create(args.scope, args.name or "")
    show(args, token.model_dump(mode="json") | {"text": text}, [text])
    return 0


def _ls(args: argparse.Namespace) -> int:
    with open_store(args.storage, create=False) as store:
        tokens = Tokens.of(store).all()
    rows = [["id", "scope", "created", "revoked", "name"]]
    for token in tokens:
        revoked = f"{token.revoked:%Y-%m-%d %H:%M}" if token.revoked is not None else "-"
        rows.append([token.id, token.scope, f"{token.created:%Y-%m-%d %H:%M}", revoked, token.name or "-"])
    data = {"tokens": [token.model_dump(mode="json") for token in tokens]}
    show(args, data, [table(rows) if tokens else "no tokens yet"])
    return 0


def _revoke(args: argparse.Namespace) -> int:
    if args.id is None:
        raise UserError("nas token revoke needs the ID of a token; `nas token ls` lists them")
    with open_store(args.storage, create=True) as store:
        token = Tokens.of(store).revoke(args.id)
    show(args, token.model_dump(mode="json"), [f"token {token.id} opens nothing more"])
    return 0


_ACTIONS = {"create": _create, "ls": _ls, "revoke": _revoke}
