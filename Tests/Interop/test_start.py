"""How a node begins, does not begin, and is stopped at any time: texts and exit codes."""

import random
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import INTERTIE, make_key, run, wait_for

FILES = ["--genesis", "grid.json", "--data", "data", "--key", "node.key"]
ANYWHERE = "127.0.0.1:0"


@pytest.fixture
def folder(tmp_path) -> Path:
    """Of a node of four that is part of a backbone of its own, and finds nobody."""
    _, own = make_key(tmp_path, "node")
    others = [make_key(tmp_path, f"other{number}")[1]["node"] for number in range(3)]
    _, operator = make_key(tmp_path, "operator")
    roles = ["--operator", operator["account"]]
    keys = [own["node"], *others]
    run(tmp_path, "backbone", "genesis", "backbone.json", "--name", "Valley", *roles,
        "--validators", *keys)
    run(tmp_path, "genesis", "make", "grid.json", "--name", "Elm", "--join", "backbone.json",
        *roles, *[word for key in keys for word in ("--validator", key)])
    (tmp_path / "peers").write_text(
        "".join(f"{key} 127.0.0.{place}:1\n" for place, key in enumerate(others, 1)))
    return tmp_path


def options(**addresses: str) -> list[str]:
    told = {"listen": ANYWHERE, "peer": ANYWHERE, "backbone": ANYWHERE, "metrics": ANYWHERE}
    told |= addresses
    return [
        "--listen", told["listen"], "--peer-listen", told["peer"], "--peers", "peers",
        "--backbone-listen", told["backbone"], "--backbone-peers", "peers",
        "--metrics-listen", told["metrics"]]


def begin(folder: Path, *words: str, log: str = "log") -> subprocess.Popen:
    return subprocess.Popen(
        [str(INTERTIE), "node", *FILES, *words], cwd=folder, stdin=subprocess.DEVNULL,
        stderr=(folder / log).open("w"), env={"INTERTIE_PASSPHRASE": "interop"})


def refused(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code, and the line that says why."""
    node = begin(folder, *words, log="refused")
    code = node.wait(timeout=60)
    lines = [line for line in (folder / "refused").read_text().splitlines()
             if line.startswith("Error: ")]
    assert len(lines) == 1, lines
    return code, lines[0]


@pytest.mark.parametrize("place", ["listen", "peer", "backbone", "metrics"])
def test_a_port_that_is_taken_is_named_with_its_option(folder, place):
    option = "--listen" if place == "listen" else f"--{place}-listen"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert refused(folder, *options(**{place: address})) == (
            1, f"Error: the node cannot start: cannot listen on {address} ({option}): "
            "Address already in use")


@pytest.mark.parametrize("words, text", [
    (["--metrics-port-file", "x"], "--metrics-port-file is given without --metrics-listen"),
    (["--peer-port-file", "x"], "--peer-port-file is given without --peer-listen"),
    (["--backbone-port-file", "x"], "--backbone-port-file is given without --backbone-listen"),
    (["--peers", "peers"], "--peers and --peer-listen are given together"),
    (["--backbone-listen", ANYWHERE], "--backbone-peers and --backbone-listen are given together"),
    (["--tls-key", "x"], "--tls-certificate and --tls-key are given together"),
    (["--plaintext", "--tls-key", "x", "--tls-certificate", "y"],
     "--plaintext is given with --tls-certificate"),
    (["--plaintext", "--listen", "0.0.0.0:0"],
     "--plaintext is for loopback addresses only; 0.0.0.0 needs TLS"),
    (["--listen", "7411"], "--listen: '7411' is not HOST:PORT"),
    (["--listen", ":7411"], "--listen: ':7411' is not HOST:PORT"),
    (["--metrics-listen", "127.0.0.1:99999"],
     "--metrics-listen: '127.0.0.1:99999' is not HOST:PORT"),
    (["--peers", "peers", "--peer-listen", "here"], "--peer-listen: 'here' is not HOST:PORT"),
])
def test_options_that_make_no_sense_are_wrong_arguments(tmp_path, words, text):
    # Before anything is read or made: there is no genesis here.
    assert refused(tmp_path, *words) == (64, f"Error: {text}")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("option", [
    "--port-file", "--peer-port-file", "--backbone-port-file", "--metrics-port-file"])
@pytest.mark.parametrize("place, why", [
    ("nowhere/port", "No such file or directory"), ("folder", "Is a directory")])
def test_a_port_file_that_cannot_be_written_is_told_first(folder, option, place, why):
    (folder / "folder").mkdir()
    assert refused(folder, *options(), option, place) == (
        1, f"Error: the node cannot start: cannot write {place} ({option}): {why}")
    assert not (folder / "data").exists()


def test_a_data_folder_that_cannot_be_made_is_told_in_a_sentence(folder):
    (folder / "data").write_text("a file")
    code, text = refused(folder, *options())
    assert code == 1 and "NSCocoa" not in text
    assert text.startswith("Error: the node cannot start: no folder can be made at data (--data): ")


def test_a_key_that_is_not_the_certificates_is_named(folder):
    pair = [folder / "data" / name for name in ("tls-certificate.pem", "tls-key.pem")]
    for turn in ("first", "second"):
        node = begin(folder, *options(), "--port-file", turn)
        wait_for(folder / turn, node)
        node.terminate()
        assert node.wait(timeout=60) == 0
        # Without them the node makes others.
        for file in pair:
            file.rename(folder / f"{turn}-{file.name}")
    code, text = refused(
        folder, *options(), "--tls-certificate", "first-tls-certificate.pem", "--tls-key",
        "second-tls-key.pem")
    assert code == 1
    assert ("no TLS with the certificate first-tls-certificate.pem and the key second-tls-key.pem"
            in text)


def test_a_folder_in_use_is_a_refusal_and_no_halt(folder):
    node = begin(folder, *options(), "--port-file", "port")
    try:
        wait_for(folder / "port", node)
        code, text = refused(folder, *options())
        assert code == 1 and text.startswith("Error: the node cannot start: ")
        assert "another node or tool is using this data folder" in text
        assert "halted" not in (folder / "refused").read_text()
    finally:
        node.terminate()
        assert node.wait(timeout=60) == 0, (folder / "log").read_text()


@pytest.mark.parametrize("seed", range(8))
def test_whenever_it_is_told_to_stop_it_ends_in_good_order(folder, seed):
    """While it asks its peers, while it opens its chains, while it begins to listen, and later."""
    node = begin(folder, *options(), "--metrics-port-file", "metrics-port", "--port-file", "port")
    chance = random.Random(seed)
    if seed % 2:
        # The moment at which most begins at once.
        wait_for(folder / "port", node)
        time.sleep(chance.choice([0, 0.005, 0.02]))
    else:
        wait_for(folder / "metrics-port", node)
        time.sleep(chance.uniform(0, 0.5))
    node.terminate()
    assert node.wait(timeout=60) == 0, (folder / "log").read_text()
