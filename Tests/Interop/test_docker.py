"""The files of Docker/: that they fit the command, each other, and, where a builder is at hand, that
the image runs."""

import json
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


class Setting:
    """One of the two compositions, and the folder that its script has made for it."""

    def __init__(self, folder: Path, maker: str, file: str, member: str, peers: tuple[str, str]):
        self.folder, self.maker, self.member = folder, maker, member
        # The option that takes the peers file, and the one that says where peers are listened to.
        self.peers, self.listen = peers
        made = script(maker, str(folder))
        assert made.returncode == 0, made.stderr
        lines = (folder / "compose.env").read_text().splitlines()
        self.variables = dict(line.split("=", 1) for line in lines)
        # With its variables filled in, as `docker compose --env-file` would.
        text = (DOCKER / file).read_text()
        filled = re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", self.value, text)
        self.compose = yaml.safe_load(filled)
        self.services = self.compose["services"]

    def value(self, match: re.Match) -> str:
        name, default = match[1], match[2] or ""
        if default.startswith(":-"):
            return self.variables.get(name, default[2:])
        assert name in self.variables, f"compose.env does not give {name}"
        return self.variables[name]


@pytest.fixture(scope="module")
def chain(tmp_path_factory) -> Setting:
    return Setting(
        tmp_path_factory.mktemp("docker") / "chain", "make-chain.sh", "compose.chain.yaml", "node",
        ("--peers", "--peer-listen"))


@pytest.fixture(scope="module")
def union(tmp_path_factory) -> Setting:
    return Setting(
        tmp_path_factory.mktemp("docker") / "network", "make-network.sh", "compose.yaml", "grid",
        ("--backbone-peers", "--backbone-listen"))


@pytest.fixture(params=["chain", "union"])
def setting(request) -> Setting:
    return request.getfixturevalue(request.param)


def options(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words if word.startswith("--"))


def known(*command: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", run(ROOT, *command, "--help")))


def test_four_services(setting):
    assert list(setting.services) == [f"{setting.member}{number}" for number in range(1, 5)]
    for service in setting.services.values():
        assert service["image"] == "intertie" and service["restart"] == "unless-stopped"
        assert service["user"] == f"{os.getuid()}:{os.getgid()}"


def test_every_option_is_one_of_the_command(setting):
    for service in setting.services.values():
        assert service["command"][0] == "node"
        assert set(options(service["command"])) <= known("node")
        check = service["healthcheck"]["test"]
        assert check[:3] == ["CMD", "intertie", "status"]
        assert set(options(check)) <= known("status")


def test_what_is_mounted_is_there(setting):
    for name, service in setting.services.items():
        mounts = {volume.split(":")[1]: volume.split(":") for volume in service["volumes"]}
        assert set(mounts) == {"/etc/intertie", "/var/lib/intertie"}
        host, _, mode = mounts["/etc/intertie"]
        assert Path(host) == setting.folder / name and mode == "ro"
        assert mounts["/var/lib/intertie"][0] == name and name in setting.compose["volumes"]
        given = options(service["command"])
        for option in ("--genesis", "--key", "--passphrase-file", setting.peers):
            inside = Path(given[option]).relative_to("/etc/intertie")
            assert (setting.folder / name / inside).is_file()
        assert given["--data"] == "/var/lib/intertie"
        check = options(service["healthcheck"]["test"])
        assert check["--ca"] == given["--data"] + "/tls-certificate.pem"
        assert check["--node"].split(":")[1] == given["--listen"].split(":")[1]


def test_only_the_clients_port_is_published(setting):
    published = []
    for service in setting.services.values():
        (port,) = service["ports"]
        address, outside, inside = port.split(":")
        listen = options(service["command"])["--listen"]
        assert (address, inside) == ("127.0.0.1", listen.split(":")[1])
        published.append(outside)
    assert len(set(published)) == len(published)


def key_of(folder: Path) -> str:
    shown = run(folder, "keys", "show", "node.key")
    return re.search(r"^node +(\S+)$", shown, re.MULTILINE)[1]


def test_the_peers_files_name_the_others(setting):
    commands = {name: options(service["command"]) for name, service in setting.services.items()}
    keys = {name: key_of(setting.folder / name) for name in commands}
    for name, given in commands.items():
        file = Path(given[setting.peers]).name
        lines = (setting.folder / name / file).read_text().splitlines()
        peers = [tuple(line.split()) for line in lines if not line.startswith("#")]
        assert peers == [
            (key, f"{other}:{commands[other][setting.listen].split(':')[1]}")
            for other, key in keys.items()
            if other != name
        ]


def test_the_genesis_of_a_chain_is_the_same_everywhere(chain):
    checked = run(chain.folder, "genesis", "check", "genesis.json")
    assert re.search(r"^validators +n = 4, f = 1, q = 3$", checked, re.MULTILINE)
    for name in chain.services:
        copied = (chain.folder / name / "genesis.json").read_bytes()
        assert copied == (chain.folder / "genesis.json").read_bytes()


def test_each_grid_has_its_own_genesis_and_all_the_same_backbone(union):
    geneses = [
        json.loads((union.folder / name / "genesis.json").read_text()) for name in union.services
    ]
    backbone = json.loads((union.folder / "backbone.json").read_text())
    assert len({genesis["name"] for genesis in geneses}) == len(geneses)
    assert all(genesis["backbone"] == backbone for genesis in geneses)
    assert len(backbone["validators"]) == 4
    for name in union.services:
        run(union.folder / name, "genesis", "check", "genesis.json")


def test_secrets_are_the_owners_alone(setting):
    for path in [*setting.folder.rglob("*.key"), *setting.folder.rglob("passphrase")]:
        assert path.stat().st_mode & 0o077 == 0, path
    phrases = [path.read_text() for path in setting.folder.rglob("passphrase")]
    assert len(phrases) == 5 and len(set(phrases)) == 5


def test_nothing_is_overwritten(setting):
    again = script(setting.maker, str(setting.folder))
    assert again.returncode == 1 and "there already" in again.stderr
    for count in ("0", "101", "x"):
        assert script(setting.maker, str(setting.folder) + "2", count).returncode == 64
    assert script(setting.maker).returncode == 64
    assert not Path(str(setting.folder) + "2").exists()


def test_entering_grids_wants_what_make_network_makes(chain):
    assert script("enter-grids.sh").returncode == 64
    refused = script("enter-grids.sh", str(chain.folder))
    assert refused.returncode == 1 and "make-network.sh" in refused.stderr


def test_the_image_runs(tmp_path, chain):
    storage = tmp_path / "storage"
    image = "intertie-interop"
    built = script("build-image.sh", IMAGE=image, STORAGE=str(storage))
    if built.returncode == 69:
        pytest.skip(built.stderr.strip())
    assert built.returncode == 0, built.stderr
    builder = built.stdout.split()[-1]
    inside = ["intertie", "genesis", "check", "/etc/intertie/genesis.json"]
    mount = ["-v", f"{chain.folder / 'node1'}:/etc/intertie:ro"]
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
