"""Artifacts on local disks, in memory, behind other file systems of fsspec and on a real S3 server."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from nas.errors import StoreError
from nas.storage import check_writable, open_store
from nas.storage.folders import folder_name, open_folder
from tests.contracts.artifacts_contract import ArtifactsContract
from tests.s3 import SECRET


class LocalPlace:
    def __init__(self, given: str | Path | None, folder: Path) -> None:
        self.given, self.folder, self.name = given, folder, str(folder)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()} if self.folder.exists() else {}

    def put(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def lose(self, name: str) -> None:
        (self.folder / name).unlink()

    def refuse_writes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)


class RemotePlace:
    def __init__(self, url: str) -> None:
        self.given = self.name = url
        self.system, self.root = fsspec.url_to_fs(url)

    def files(self) -> dict[str, bytes]:
        self.system.invalidate_cache()
        found = self.system.find(self.root) if self.system.exists(self.root) else []
        return {path.rpartition("/")[2]: self.system.cat_file(path) for path in found}

    def put(self, name: str, data: bytes) -> None:
        self.system.pipe_file(f"{self.root}/{name}", data)

    def lose(self, name: str) -> None:
        self.system.rm_file(f"{self.root}/{name}")

    def refuse_writes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any, **__: Any) -> None:
            raise ConnectionError("the network is gone")

        monkeypatch.setattr(self.system, "pipe_file", away)


class TestBesideTheDatabase(ArtifactsContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> LocalPlace:
        return LocalPlace(None, tmp_path / "nas-artifacts")


class TestFolder(ArtifactsContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> LocalPlace:
        return LocalPlace(tmp_path / "given", tmp_path / "given")


class TestFileURL(ArtifactsContract):
    """A folder of this machine's, written as safely as one without `file://`."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> LocalPlace:
        return LocalPlace(f"file://{tmp_path}/a%20b", tmp_path / "a b")


class TestMemory(ArtifactsContract):
    @pytest.fixture
    def place(self) -> RemotePlace:
        return RemotePlace(f"memory://{uuid4().hex}/prefix")


class MovingFileSystem(LocalFileSystem):
    """A file system whose writes are not whole, and which fails in the middle of a move when it is told to."""

    protocol = "moving"


class TestMovedIntoPlace(ArtifactsContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> RemotePlace:
        fsspec.register_implementation("moving", MovingFileSystem, clobber=True)
        return MovingPlace(f"moving://{tmp_path}/there")


class MovingPlace(RemotePlace):
    def refuse_writes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any, **__: Any) -> None:
            raise ConnectionError("the network is gone")

        monkeypatch.setattr(self.system, "mv", away)  # after the file was written under its first name


class TestS3(ArtifactsContract):
    @pytest.fixture
    def place(self, s3: str) -> RemotePlace:
        bucket = f"test-{uuid4().hex}"
        place = RemotePlace(f"s3://{bucket}/studies/mine")
        place.system.mkdir(bucket)
        return place


def test_a_bucket_that_is_missing_is_refused_before_anything_is_written(s3: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^the folder of artifacts: there is no bucket for s3://missing-bucket/x$"):
        check_writable(f"sqlite:///{tmp_path}/nas.db", "s3://missing-bucket/x/")
    assert list(tmp_path.iterdir()) == []


def test_what_a_server_refuses_is_one_sentence_without_the_secret(s3: str, tmp_path: Path) -> None:
    with (
        open_store(f"sqlite:///{tmp_path}/nas.db", create=True, artifacts="s3://missing-bucket/x") as store,
        pytest.raises(
            StoreError, match=r"^s3://missing-bucket/x cannot be written: .+; what is finished is kept$"
        ) as e,
    ):
        store.put_artifact("pets", "weights", b"tensors")
    assert "\n" not in str(e.value)
    assert SECRET not in str(e.value)


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEY:hush@bucket/prefix",
        "sftp://user:hush@host/folder",
        "simplecache::ftp://user:hush@host/folder",
        "abfs://container/x?sas_token=hush",
        "gs://bucket/x?a=b&client_secret=hush",
    ],
)
def test_credentials_in_a_url_are_refused_and_not_printed(url: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the database would keep the password, key or token in this") as error:
        check_writable(f"sqlite:///{tmp_path}/nas.db", url)
    assert "hush" not in str(error.value)


def test_an_unknown_or_missing_file_system_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    with pytest.raises(StoreError, match=r"^the folder of artifacts: nosuch://x: Protocol not known: nosuch"):
        check_writable(url, "nosuch://x")

    def missing(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(StoreError, match=r"Install s3fs to access S3; `pip install pyramid-nas\[s3\]` brings it$"):
        check_writable(url, "s3://bucket/prefix")


def test_a_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_name("a:b/c") == f"{tmp_path}/a:b/c"
    assert folder_name(f"file://{tmp_path}/x") == folder_name(f"file://localhost{tmp_path}/x") == f"{tmp_path}/x"
    assert folder_name("s3://bucket/prefix/") == "s3://bucket/prefix"
    assert open_folder(f"{tmp_path}").place("f") == f"{tmp_path}/f"
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file, and no folder that artifacts could be kept in"):
        folder_name(f"file://{tmp_path}/file")
