"""What a node shows of itself: metrics as Prometheus' own promtool reads them, whether it lives and
is ready, the lines of its log, and the alerts of Docker/."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from conftest import INTERTIE, ROOT, make_key, run, wait_for
from intertie_client import Client, Key, command, ledger, sign_command, status

DOCKER = ROOT / "Docker"


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess:
    program = shutil.which("promtool") or str(ROOT / ".build" / "tools" / "promtool")
    assert Path(program).exists(), "there is no promtool: run `make promtool`"
    return subprocess.run(
        [program, *arguments], input=given, capture_output=True, text=True, timeout=60)


@dataclass
class Node:
    folder: Path
    process: subprocess.Popen
    metrics_port: str

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.metrics_port}{path}", timeout=10
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def samples(self) -> dict[str, float]:
        lines = self.get("/metrics")[1].splitlines()
        pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
        return {name: float(value) for name, value in pairs}

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=20) == 0, self.log


def start(folder: Path, *options: str) -> Node:
    process = subprocess.Popen(
        [str(INTERTIE), "node", "--genesis", "grid.json", "--data", "data", "--key", "node.key",
         "--listen", "127.0.0.1:0", "--port-file", "port", "--metrics-listen", "127.0.0.1:0",
         "--metrics-port-file", "metrics-port", *options],
        cwd=folder, env={"INTERTIE_PASSPHRASE": "interop"},
        stderr=(folder / "log").open("w"), stdin=subprocess.DEVNULL)
    return Node(folder, process, wait_for(folder / "metrics-port", process))


@pytest.fixture(scope="module")
def operator() -> Key:
    return Key()


@pytest.fixture(scope="module")
def node(tmp_path_factory, operator):
    folder = tmp_path_factory.mktemp("metrics")
    _, validator = make_key(folder, "node")
    run(folder, "genesis", "make", "grid.json", "--name", "metrics", "--rate", "300",
        "--validator", validator["node"], "--operator", operator.text(),
        "--account", f"{operator.text()}:1000:1000")
    node = start(folder, "--log-level", "Requests=debug,consensus=debug,notice")
    yield node
    node.stop()


@pytest.fixture(scope="module")
def client(node):
    port = wait_for(node.folder / "port", node.process)
    client = Client(
        f"127.0.0.1:{port}", str(node.folder / "data" / "tls-certificate.pem"))
    yield client
    client.close()


def submit(client: Client, operator: Key, amount: int) -> int:
    return client.run(operator, redeem=command.Redeem(amount=amount)).rejection


def test_promtool_has_nothing_to_say_about_the_metrics(node, client, operator):
    assert submit(client, operator, 1) == 0
    text = node.get("/metrics")[1]
    checked = promtool("check", "metrics", given=text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_what_was_done_is_counted(node, client, operator):
    before = node.samples()
    assert [submit(client, operator, 1) for _ in range(3)] == [0, 0, 0]
    assert submit(client, operator, 10**17) != 0
    stranger = sign_command(
        client.command(Key(), redeem=command.Redeem(amount=1)), operator)
    assert client.submit(stranger)[0].height == 0
    after = node.samples()

    def growth(name: str) -> float:
        return after[name] - before[name]

    assert growth('intertie_commands_total{chain="grid"}') == 4
    assert growth('intertie_submit_seconds_count{chain="grid"}') == 4
    assert growth('intertie_admission_seconds_count{chain="grid",outcome="placed"}') == 5
    assert growth('intertie_verify_seconds_count{chain="grid"}') == 4
    assert growth('intertie_sync_seconds_count{chain="grid"}') > 0
    rejected = {name: growth(name) for name in after if name.startswith("intertie_rejections")}
    assert {name: count for name, count in rejected.items() if count} == {
        'intertie_rejections_total{chain="grid",stage="block",reason="insufficientFunds"}': 1,
        'intertie_rejections_total{chain="grid",stage="admission",reason="unknownSigner"}': 1,
    }
    assert after['intertie_ready{chain="grid"}'] == 1
    assert after['process_resident_memory_bytes'] > 1e6
    assert 0 < growth('intertie_commit_seconds_sum{chain="grid"}') < 60


def test_a_node_in_good_order_lives_and_is_ready(node, client):
    assert node.get("/livez") == (200, "ok\n")
    assert node.get("/readyz") == (200, "ready\n")
    assert node.get("/")[0] == 404


def test_a_node_without_a_quorum_lives_is_not_ready_and_logs_no_secret(tmp_path):
    seed, validator = make_key(tmp_path, "node")
    others = [make_key(tmp_path, f"other{number}")[1]["node"] for number in range(3)]
    keys = [validator["node"], *others]
    run(tmp_path, "genesis", "make", "grid.json", "--name", "alone", "--operator", Key().text(),
        *[word for key in keys for word in ("--validator", key)])
    with socket.socket() as closed:
        # Bound and not listening: nobody else gets the port, and whoever knocks is refused.
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        (tmp_path / "peers").write_text(
            "".join(f"{key} 127.0.0.{place}:{port}\n" for place, key in enumerate(others, 1)))
        node = start(
            tmp_path, "--peer-listen", "127.0.0.1:0", "--peers", "peers", "--log-level", "trace")
        try:
            # It listens before its chain is open, and says so.
            assert node.get("/livez") == (200, "ok\n")
            code, text = node.get("/readyz")
            assert code == 503 and text.startswith("not ready: ")
            wait_for(tmp_path / "port", node.process)
            code, text = node.get("/readyz")
            assert code == 503
            assert "1 of 4 validators within reach, 3 are needed" in text
            samples = node.samples()
            assert samples['intertie_ready{chain="grid"}'] == 0
            assert samples['intertie_validators_reachable{chain="grid"}'] == 1
            assert samples['intertie_peers{chain="grid",class="validator"}'] == 3
        finally:
            node.stop()
    assert "listening" in node.log
    # The key's seed, and the passphrase of its file.
    assert seed not in node.log and "interop" not in node.log


def lines_with(node: Node, *words: str) -> list[str]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [line for line in node.log.splitlines() if all(word in line for word in words)]
        if found:
            return found
        time.sleep(0.05)
    return []


def test_a_call_is_known_by_its_id(node, client, operator):
    def call(*metadata: tuple[str, str]) -> str:
        answer, told = client.status.Status.with_call(
            status.StatusRequest(), timeout=client.TIMEOUT, metadata=metadata)
        assert answer.chain_id == client.chain
        return dict(told.initial_metadata())["x-request-id"]

    assert call(("x-request-id", "till-42.a_B")) == "till-42.a_B"
    made = call()
    assert re.fullmatch(r"[0-9a-f]{1,8}-[0-9a-f]+", made) and made != call()
    # What would let a client write the log's lines, or fill them.
    for bad in ("a b", "x=1", "a" * 65):
        assert call(("x-request-id", bad)) != bad
    # A refusal has it too.
    with pytest.raises(grpc.RpcError) as refused:
        client.ledger.Account(
            ledger.AccountRequest(account=bytes(32)), timeout=client.TIMEOUT,
            metadata=[("x-request-id", "nobody")])
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert dict(refused.value.trailing_metadata())["x-request-id"] == "nobody"
    # From the call to the block, all lines of one call bear its id.
    body = sign_command(client.command(operator, redeem=command.Redeem(amount=1)), operator)
    client.ledger.Submit(
        ledger.SubmitRequest(commands=[body]), timeout=client.TIMEOUT,
        metadata=[("x-request-id", "one-payment")])
    assert lines_with(node, "request=one-payment", "answered", "status=ok")
    told = lines_with(node, "request=one-payment")
    assert [re.search(r"\[Requests\] (.*)$", line)[1] for line in told] == [
        "call", "entries are final", "answered"]


def test_the_log_has_its_levels_by_part(node, client, operator):
    submit(client, operator, 1)
    assert lines_with(node, " debug ", "[Consensus] a block is final")
    parts = set(re.findall(r" debug .*\[(\w+)\]", node.log))
    assert parts == {"Requests", "Consensus"}


LEVELS = "is not a level; there are trace, debug, info, notice, warning, error, critical"
WHAT_IS_WRONG = {
    "loud": f"'loud' {LEVELS}",
    "Node=loud": f"'loud' {LEVELS}",
    "Nobody=debug": "'Nobody' is not a part of the node; there are intertie, Node, Consensus,",
    "info,debug": "'debug' is a second level for all parts",
    "Node=info,node=debug": "'Node' is given twice",
    "Node=debug=info": f"'debug=info' {LEVELS}",
    "": f"'' {LEVELS}",
}


@pytest.mark.parametrize("levels", list(WHAT_IS_WRONG))
def test_levels_that_do_not_exist_are_refused(tmp_path, levels):
    result = subprocess.run(
        [str(INTERTIE), "node", "--genesis", "g", "--data", "d", "--key", "k", "--log-level",
         levels], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 64 and "'--log-level <" in result.stderr
    assert WHAT_IS_WRONG[levels] in result.stderr


# Docker's files.


def test_the_rules_and_the_configuration_are_well_formed():
    rules = promtool("check", "rules", str(DOCKER / "alerts.yml"))
    assert rules.returncode == 0 and "12 rules found" in rules.stdout, rules.stderr
    configuration = promtool("check", "config", str(DOCKER / "prometheus.yml"))
    assert configuration.returncode == 0, configuration.stdout + configuration.stderr


def test_every_alert_sounds_when_it_should_and_else_not():
    tested = promtool("test", "rules", str(ROOT / "Tests" / "Interop" / "alerts_test.yml"))
    assert tested.returncode == 0 and "SUCCESS" in tested.stdout, tested.stdout + tested.stderr


def test_the_dashboard_asks_for_nothing_that_promtool_does_not_understand(tmp_path):
    dashboard = json.loads((DOCKER / "grafana.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(asked) > 40
    # As recording rules, with Grafana's variables filled in.
    filled = [text.replace("$__rate_interval", "1m").replace("$instance", ".*") for text in asked]
    rules = {"groups": [{"name": "dashboard", "rules": [
        {"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    checked = promtool("check", "rules", str(tmp_path / "rules.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
