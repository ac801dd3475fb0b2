"""The node of the interop test.

By default one is started: .build/release/intertie on a fresh chain whose time runs 300 times as
fast, on a port of 127.0.0.1 that the system chooses; it is stopped at the end. A node that runs
already is used when these are set:

INTERTIE_NODE           HOST:PORT
INTERTIE_CA             PEM file of the certificate to trust; empty or not set: plaintext
INTERTIE_OPERATOR_SEED  seed of the operator's key, 64 hexadecimal digits
INTERTIE_GATEWAY_SEED   of the gateway's; the operator's when not set
INTERTIE_GENESIS        the genesis file; when not set, the node's own copy is trusted
"""

import json
import os
import pathlib
import secrets
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTERTIE = ROOT / ".build" / "release" / "intertie"


def run(folder: pathlib.Path, *arguments: str, given: str = "") -> str:
    result = subprocess.run(
        [str(INTERTIE), *arguments], cwd=folder, input=given, capture_output=True, text=True,
        env={"INTERTIE_PASSPHRASE": "interop"}, timeout=60)
    assert result.returncode == 0, result.stderr
    return result.stdout


def make_key(folder: pathlib.Path, name: str) -> tuple[str, dict[str, str]]:
    """A fresh key file; its seed, and the public key's texts."""
    seed = secrets.token_hex(32)
    texts = json.loads(run(folder, "keys", "import", f"{name}.key", "--json", given=seed + "\n"))
    return seed, texts


def wait_for(path: pathlib.Path, node: subprocess.Popen) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert node.poll() is None, "the node ended before it listened"
        if path.exists() and (text := path.read_text().strip()):
            return text
        time.sleep(0.05)
    raise AssertionError("the node does not listen")


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    if "INTERTIE_NODE" in os.environ:
        yield {name: value for name, value in os.environ.items() if name.startswith("INTERTIE_")}
        return
    assert INTERTIE.exists(), f"{INTERTIE} is not built: run `make build`"
    folder = tmp_path_factory.mktemp("node")
    _, validator = make_key(folder, "node")
    operator_seed, operator = make_key(folder, "operator")
    run(folder, "genesis", "make", "grid.json", "--name", "interop", "--rate", "300",
        "--validator", validator["node"], "--operator", operator["account"],
        "--account", f"{operator['account']}:1000000:1000")
    node = subprocess.Popen(
        [str(INTERTIE), "node", "--genesis", "grid.json", "--data", "data", "--key", "node.key",
         "--listen", "127.0.0.1:0", "--port-file", "port"],
        cwd=folder, env={"INTERTIE_PASSPHRASE": "interop"})
    try:
        yield {
            "INTERTIE_NODE": f"127.0.0.1:{wait_for(folder / 'port', node)}",
            "INTERTIE_CA": str(folder / "data" / "tls-certificate.pem"),
            "INTERTIE_OPERATOR_SEED": operator_seed,
            "INTERTIE_GENESIS": str(folder / "grid.json"),
        }
    finally:
        node.terminate()
        assert node.wait(timeout=20) == 0, "the node did not end in good order"
