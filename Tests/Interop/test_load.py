"""`intertie load` as whoever runs it sees it: what it refuses, how it is ended, and its report."""

import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from conftest import INTERTIE, make_key, run, wait_for

METERS = "200"


def load(folder: pathlib.Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(INTERTIE), "load", *words], cwd=folder, capture_output=True,
                          text=True, timeout=120, env={})


class Trial:
    """A chain with simulated meters, whose intervals last a second, and its node."""

    def __init__(self, folder: pathlib.Path):
        assert INTERTIE.exists(), f"{INTERTIE} is not built: run `make build`"
        self.folder = folder
        _, validator = make_key(folder, "node")
        _, operator = make_key(folder, "operator")
        run(folder, "genesis", "make", "plain.json", "--name", "Trial", "--validator",
            validator["node"], "--operator", operator["account"])
        self.prepared = subprocess.run(
            [str(INTERTIE), "load", "prepare", "plain.json", "--genesis-out", "grid.json",
             "--meters", METERS, "--interval-seconds", "60", "--chain-rate", "60"],
            cwd=folder, capture_output=True, text=True, timeout=60)
        assert self.prepared.returncode == 0, self.prepared.stderr
        self.node = subprocess.Popen(
            [str(INTERTIE), "node", "--genesis", "grid.json", "--data", "data", "--key", "node.key",
             "--listen", "127.0.0.1:0", "--port-file", "port"],
            cwd=folder, env={"INTERTIE_PASSPHRASE": "interop"}, stderr=subprocess.DEVNULL)
        try:
            self.address = f"127.0.0.1:{wait_for(folder / 'port', self.node)}"
        except BaseException:
            self.end()
            raise
        self.options = ("--node", self.address, "--ca", "data/tls-certificate.pem", "--meters",
                        METERS)

    @contextlib.contextmanager
    def drive(self, *words: str):
        """A run that goes on, as long as its caller at most; its report goes to report.json."""
        (self.folder / "report.json").unlink(missing_ok=True)
        with subprocess.Popen(
                [str(INTERTIE), "load", *self.options, "--json", "report.json", *words],
                cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                env={}) as process:
            try:
                yield process
            finally:
                process.kill()

    def wait_until_applied(self, readings: int) -> None:
        """Until the chain has applied so many readings."""
        deadline = time.monotonic() + 60
        while self.readings() < readings:
            assert time.monotonic() < deadline, "the load does not begin"
            time.sleep(0.05)

    def readings(self) -> int:
        status = run(self.folder, "status", *self.options[:4], "--json")
        return int(json.loads(status).get("readings", 0))

    def report(self) -> dict:
        return json.loads((self.folder / "report.json").read_text())

    def end(self) -> None:
        if self.node.poll() is None:
            self.node.kill()
            self.node.wait()


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    trial = Trial(tmp_path_factory.mktemp("load"))
    yield trial
    trial.end()


@pytest.mark.parametrize("words, text", [
    (("--mix", "readings=1,readings=2"), "names readings twice"),
    (("--node", "127.0.0.1:7000", "--node", "localhost:7000"), "127.0.0.1:7000 is given twice"),
    (("--node", "nowhere"), "is not HOST:PORT"),
    (("--rate", "5", "--closed"), "not both"),
])
def test_wrong_arguments(tmp_path, words, text):
    result = load(tmp_path, *words)
    assert result.returncode == 64 and text in result.stderr, result


@pytest.mark.parametrize("option", ["--json", "--csv"])
@pytest.mark.parametrize("file", ["nowhere/report", "folder"])
def test_a_report_that_cannot_be_written_is_known_first(trial, option, file):
    (trial.folder / "folder").mkdir(exist_ok=True)
    result = load(trial.folder, *trial.options, "--seconds", "1", option, file)
    assert result.returncode == 1 and result.stderr.startswith(f"Error: cannot write {file}: ")


def test_a_report_without_a_place_leaves_none(trial):
    result = load(trial.folder, *trial.options, "--json", "new.json", "--csv", "nowhere/x")
    assert result.returncode == 1 and "cannot write nowhere/x: No such file" in result.stderr
    assert not (trial.folder / "new.json").exists()


def test_two_names_of_one_report(trial):
    result = load(trial.folder, *trial.options, "--json", "one", "--csv", "./one")
    assert result.returncode == 64 and "--json and --csv are two files" in result.stderr
    assert not (trial.folder / "one").exists()


def test_a_report_that_does_not_fit(trial):
    result = load(trial.folder, *trial.options, "--rate", "50", "--seconds", "1", "--json",
                  "/dev/full")
    assert result.returncode == 1 and "\ncheck           passed" in result.stdout
    assert "Error: cannot write /dev/full: No space left on device" in result.stderr


def test_a_wrong_certificate(trial, tmp_path):
    (tmp_path / "junk.pem").write_text("hello\n")
    (tmp_path / "empty.pem").write_text("")
    other = Trial(tmp_path)
    other.end()
    for file in ("junk.pem", "empty.pem"):
        result = load(tmp_path, "--node", trial.address, "--ca", file, "--json", "new.json")
        assert result.returncode == 1 and result.stdout == ""
        assert result.stderr.startswith(f"Error: {file} is not a file of certificates in PEM")
        # Nothing is left of a report that there is not.
        assert not (tmp_path / "new.json").exists()
        asked = subprocess.run([str(INTERTIE), "status", "--node", trial.address, "--ca", file],
                               cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert asked.returncode == 1 and asked.stderr == result.stderr
    for words in (("--ca", "data/tls-certificate.pem"), ("--plaintext",)):
        result = load(tmp_path, "--node", trial.address, *words)
        assert result.returncode == 1
        assert result.stderr.startswith(
            f"Error: no secure connection to the node at {trial.address}: give the certificate")


def test_a_node_that_is_not_there(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        result = load(tmp_path, "--node", address, "--plaintext")
    assert result.returncode == 1
    assert result.stderr.startswith(f"Error: the node at {address} does not answer")


def test_what_a_prepared_chain_allows(trial, tmp_path):
    assert trial.prepared.stdout.startswith("chain ")
    assert "200 meters have 200 first readings a second" in trial.prepared.stderr
    result = load(tmp_path, "prepare", str(trial.folder / "plain.json"), "--genesis-out",
                  "slow.json", "--meters", "10000")
    assert result.returncode == 0 and result.stderr.startswith("warning: ")
    assert "10,000 meters have 11.1 first readings a second" in result.stderr


def test_a_signal_ends_the_load_and_the_report_is_there(trial):
    for number in (signal.SIGINT, signal.SIGTERM):
        before = trial.readings()
        with trial.drive("--rate", "200", "--seconds", "3600") as process:
            trial.wait_until_applied(before + 20)
            process.send_signal(number)
            text, _ = process.communicate(timeout=60)
        assert process.returncode == 0, text
        report = trial.report()
        assert report["isStopped"] and 0 < report["loadSeconds"] < 3600
        assert f"STOPPED after {report['loadSeconds']:.1f} s of 3600 s" in text
        assert report["check"]["acknowledged"] == report["check"]["entries"] > 0
        rate = report["kinds"][0]["appliedPerSecond"]
        assert 0 < rate * report["loadSeconds"] <= report["kinds"][0]["applied"] + 1


def test_a_second_signal_ends_at_once(trial):
    before = trial.readings()
    with trial.drive("--rate", "200", "--seconds", "3600", "--grace", "600") as process:
        trial.wait_until_applied(before + 20)
        # What is under way is not answered, and so waited for.
        trial.node.send_signal(signal.SIGSTOP)
        try:
            process.send_signal(signal.SIGINT)
            while not (line := process.stderr.readline()).startswith("ending: "):
                assert line, "it does not say that it ends"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30)[0] == ""
            assert process.returncode == 130
            assert not (trial.folder / "report.json").exists()
        finally:
            trial.node.send_signal(signal.SIGCONT)


def test_a_node_that_is_gone(tmp_path):
    trial = Trial(tmp_path)
    try:
        with trial.drive("--rate", "200", "--seconds", "3600", "--retry", "0", "--grace",
                         "1") as process:
            trial.wait_until_applied(20)
            trial.node.kill()
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=90)
        assert process.returncode == 3, text
        check = trial.report()["check"]
        assert f"NOT CHECKED: {check['acknowledged']:,} acknowledged" in text
        assert check["acknowledged"] > 0 and check["faults"] == 0
        [unchecked] = check["unchecked"]
        assert unchecked["acknowledged"] == check["acknowledged"]
        assert "does not answer" in unchecked["reason"]
    finally:
        trial.end()
