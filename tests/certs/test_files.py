"""Certificates from files, as somebody else's controller and the kubelet write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from certs.authority import KeyPair
from certs.serving import ServingTls
from certs.sources import Files
from model.errors import CertificateError
from tests.certs.builders import NOW, leaf


def write(directory: Path, pair: KeyPair) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "tls.crt").write_bytes(pair.certificate_pem)
    (directory / "tls.key").write_bytes(pair.key_pem)


def files(directory: Path, tls: ServingTls) -> Files:
    return Files(directory / "tls.crt", directory / "tls.key", tls)


async def test_the_files_are_served(tmp_path: Path) -> None:
    pair, tls = leaf(), ServingTls()
    write(tmp_path, pair)
    await files(tmp_path, tls).refresh(NOW)
    assert tls.pair == pair


async def test_files_written_in_place_are_served_from_the_next_round_on(tmp_path: Path) -> None:
    before, after, tls = leaf(), leaf(), ServingTls()
    write(tmp_path, before)
    source = files(tmp_path, tls)
    await source.refresh(NOW)
    write(tmp_path, after)
    await source.refresh(NOW)
    assert tls.pair == after


async def test_the_kubelets_exchange_of_a_symlink_is_seen(tmp_path: Path) -> None:
    before, after, tls = leaf(), leaf(), ServingTls()
    write(tmp_path / "first", before)
    write(tmp_path / "second", after)
    (tmp_path / "..data").symlink_to("first")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    source = files(tmp_path, tls)
    await source.refresh(NOW)
    assert tls.pair == before
    (tmp_path / "..data_tmp").symlink_to("second")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    await source.refresh(NOW)
    assert tls.pair == after


@pytest.mark.parametrize("length", [0, 1, 100, -60])
@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
async def test_a_half_written_file_keeps_the_old_pair(tmp_path: Path, name: str, length: int) -> None:
    before, after, tls = leaf(), leaf(), ServingTls()
    write(tmp_path, before)
    source = files(tmp_path, tls)
    await source.refresh(NOW)
    path = tmp_path / name
    path.write_bytes((after.certificate_pem if name == "tls.crt" else after.key_pem)[:length])
    with pytest.raises(CertificateError, match=r"mend the file"):
        await source.refresh(NOW)
    assert tls.pair == before


async def test_a_new_certificate_whose_key_has_not_come_yet_keeps_the_old_pair(tmp_path: Path) -> None:
    before, after, tls = leaf(), leaf(), ServingTls()
    write(tmp_path, before)
    source = files(tmp_path, tls)
    await source.refresh(NOW)
    (tmp_path / "tls.crt").write_bytes(after.certificate_pem)
    with pytest.raises(CertificateError, match="cannot be served together"):
        await source.refresh(NOW)
    assert tls.pair == before


async def test_a_missing_file_is_named_with_the_flags_to_check(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"tls\.crt cannot be read .*check --tls-cert-file and --tls-key-file"):
        await files(tmp_path, ServingTls()).refresh(NOW)
