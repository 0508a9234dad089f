"""The service from Python: `nas.Client`. Only httpx enters, and nothing that needs torch or a database."""

from nas.client.client import Client

__all__ = ["Client"]
