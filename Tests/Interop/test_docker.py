"""The files of Docker/: that they fit the command, each other, and, where a builder is at hand, that
the image runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from conftest import INTERTIE, ROOT, run

DOCKER = ROOT / "Docker"


def script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [str(DOCKER / name), *arguments], capture_output=True, text=True, timeout=240,
        env=os.environ | {"INTERTIE": str(INTERTIE)} | environment)


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docker") / "network"
    made = script("make-network.sh", str(folder))
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="module")
def variables(network) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (network / "compose.env").read_text().splitlines())


@pytest.fixture(scope="module")
def compose(variables) -> dict:
    """compose.yaml with its variables filled in, as `docker compose --env-file` would."""

    def value(match: re.Match) -> str:
        name, default = match[1], match[2] or ""
        if default.startswith(":-"):
            return variables.get(name, default[2:])
        assert name in variables, f"compose.env does not give {name}"
        return variables[name]

    text = (DOCKER / "compose.yaml").read_text()
    return yaml.safe_load(re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", value, text))


def options(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if word.startswith("--"))


def known(*command: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", run(ROOT, *command, "--help")))


def test_four_nodes_of_one_chain(compose):
    services = compose["services"]
    assert list(services) == ["node1", "node2", "node3", "node4"]
    for service in services.values():
        assert service["image"] == "intertie" and service["restart"] == "unless-stopped"
        assert service["user"] == f"{os.getuid()}:{os.getgid()}"


def test_every_option_is_one_of_the_command(compose):
    for service in compose["services"].values():
        assert service["command"][0] == "node"
        assert set(options(service["command"])) <= known("node")
        check = service["healthcheck"]["test"]
        assert check[:3] == ["CMD", "intertie", "status"]
        assert set(options(check)) <= known("status")


def test_what_is_mounted_is_there(compose, network):
    for name, service in compose["services"].items():
        mounts = {volume.split(":")[1]: volume.split(":") for volume in service["volumes"]}
        assert set(mounts) == {"/etc/intertie", "/var/lib/intertie"}
        host, _, mode = mounts["/etc/intertie"]
        assert Path(host) == network / name and mode == "ro"
        assert mounts["/var/lib/intertie"][0] == name and name in compose["volumes"]
        given = options(service["command"])
        files = [given[option] for option in ("--genesis", "--key", "--passphrase-file", "--peers")]
        for file in files:
            assert (network / name / Path(file).relative_to("/etc/intertie")).is_file()
        assert given["--data"] == "/var/lib/intertie"
        check = options(service["healthcheck"]["test"])
        assert check["--ca"] == given["--data"] + "/tls-certificate.pem"
        assert check["--node"].split(":")[1] == given["--listen"].split(":")[1]


def test_only_the_clients_port_is_published(compose):
    published = []
    for service in compose["services"].values():
        (port,) = service["ports"]
        address, outside, inside = port.split(":")
        listen = options(service["command"])["--listen"]
        assert (address, inside) == ("127.0.0.1", listen.split(":")[1])
        published.append(outside)
    assert len(set(published)) == len(published)


def key_of(folder: Path) -> str:
    shown = run(folder, "keys", "show", "node.key")
    return re.search(r"^node +(\S+)$", shown, re.MULTILINE)[1]


def test_the_peers_files_name_the_others(compose, network):
    ports = {
        name: options(service["command"])["--peer-listen"].split(":")[1]
        for name, service in compose["services"].items()
    }
    keys = {name: key_of(network / name) for name in ports}
    for name in ports:
        lines = (network / name / "peers").read_text().splitlines()
        peers = [tuple(line.split()) for line in lines if not line.startswith("#")]
        assert peers == [
            (key, f"{other}:{ports[other]}") for other, key in keys.items() if other != name
        ]


def test_the_genesis_is_accepted_and_the_same_everywhere(compose, network):
    checked = run(network, "genesis", "check", "genesis.json")
    assert re.search(r"^validators +n = 4, f = 1, q = 3$", checked, re.MULTILINE)
    for name in compose["services"]:
        copied = (network / name / "genesis.json").read_bytes()
        assert copied == (network / "genesis.json").read_bytes()


def test_secrets_are_the_owners_alone(network):
    for path in [*network.rglob("*.key"), *network.rglob("passphrase")]:
        assert path.stat().st_mode & 0o077 == 0, path
    phrases = [path.read_text() for path in network.rglob("passphrase")]
    assert len(phrases) == 5 and len(set(phrases)) == 5


def test_nothing_is_overwritten(network):
    again = script("make-network.sh", str(network))
    assert again.returncode == 1 and "there already" in again.stderr
    for count in ("0", "101", "x"):
        assert script("make-network.sh", str(network) + "2", count).returncode == 64
    assert script("make-network.sh").returncode == 64


def test_the_image_runs(tmp_path, network):
    storage = tmp_path / "storage"
    image = "intertie-interop"
    built = script("build-image.sh", IMAGE=image, STORAGE=str(storage))
    if built.returncode == 69:
        pytest.skip(built.stderr.strip())
    assert built.returncode == 0, built.stderr
    builder = built.stdout.split()[-1]
    inside = ["intertie", "genesis", "check", "/etc/intertie/genesis.json"]
    mount = ["-v", f"{network / 'node1'}:/etc/intertie:ro"]
    user = f"{os.getuid()}:{os.getgid()}"
    if builder == "buildah":
        buildah = [
            "buildah", "--storage-driver", "vfs", "--root", str(storage / "root"), "--runroot",
            str(storage / "run"),
        ]
        made = subprocess.run(
            [*buildah, "from", "--pull-never", image], check=True, capture_output=True, text=True,
            timeout=120)
        container = made.stdout.strip()
        command = [
            *buildah, "run", "--isolation", "chroot", "--user", user, *mount, container, "--",
            *inside,
        ]
        cleanup = [*buildah, "rm", container]
    else:
        command = [builder, "run", "--rm", "--user", user, *mount, image, *inside[1:]]
        cleanup = [builder, "rmi", image]
    try:
        checked = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert checked.returncode == 0, checked.stderr
        assert "n = 4, f = 1, q = 3" in checked.stdout
    finally:
        subprocess.run(cleanup, capture_output=True, timeout=120)
        shutil.rmtree(storage, ignore_errors=True)
