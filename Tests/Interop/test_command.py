"""What the command says to wrong words, without a node: texts and exit codes."""

import subprocess

import pytest

from conftest import INTERTIE, make_key, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    assert INTERTIE.exists(), f"{INTERTIE} is not built: run `make build`"
    folder = tmp_path_factory.mktemp("command")
    _, texts = make_key(folder, "key")
    roles = ["--operator", texts["account"], "--validator", texts["node"]]
    run(folder, "backbone", "genesis", "backbone.json", "--name", "Valley", *roles)
    run(folder, "genesis", "make", "own.json", "--name", "Own", *roles)
    run(folder, "genesis", "make", "elm.json", "--name", "Elm Street", "--join", "backbone.json",
        *roles)
    (folder / "account").write_text(texts["account"])
    return folder


def refused(folder, *words: str) -> tuple[int, str]:
    """Exit code, and the first line of what it says on standard error."""
    account = (folder / "account").read_text()
    result = subprocess.run(
        [str(INTERTIE), *(word.replace("ACCOUNT", account) for word in words)], cwd=folder,
        capture_output=True, text=True, timeout=30, env={"INTERTIE_PASSPHRASE": "interop"})
    assert not result.stdout, result.stdout
    return result.returncode, result.stderr.splitlines()[0].removeprefix("Error: ")


def test_both_kinds_of_genesis_are_checked(folder):
    backbone = run(folder, "genesis", "check", "backbone.json")
    grid = run(folder, "genesis", "check", "elm.json")
    chain = next(line for line in backbone.splitlines() if line.startswith("chain")).split()[1]
    assert "a backbone" in backbone and "Valley" in backbone
    assert f"backbone    {chain} Valley" in grid and "Elm Street" in grid


@pytest.mark.parametrize("words", [
    ("verify", "proof", "--genesis", "backbone.json"),
    ("audit", "--genesis", "backbone.json", "--data", "data"),
    ("backbone", "register", "backbone.json", "--key", "key.key"),
    ("node", "--genesis", "backbone.json", "--data", "data", "--key", "key.key"),
])
def test_a_backbones_genesis_where_a_grids_is_meant(folder, words):
    code, text = refused(folder, *words)
    assert code == 1
    assert text.startswith("backbone.json is the genesis of the backbone Valley, and a grid's is")


def test_a_grids_genesis_where_a_backbones_is_meant(folder):
    code, text = refused(
        folder, "genesis", "make", "new.json", "--name", "New", "--join", "own.json",
        "--operator", "ACCOUNT", "--validator", "tienode1")
    assert code == 1
    assert text.startswith("own.json is the genesis of the grid Own, and a backbone's is wanted")


@pytest.mark.parametrize("amount, words", [
    ("1.1234567", "has more than six decimals"),
    ("1000000000000.000001", "is too large: at most 1000000000000"),
    ("9999999999999", "is too large"),
    ("99999999999999999999999999", "is too large"),
    ("1e3", "is not a number"),
    ("", "is not a number"),
    (".", "is not a number"),
    ("1,5", "is not a number"),
    ("+1", "is not a number"),
    ("1.2.3", "is not a number"),
    ("١", "is not a number"),
    ("-5", "no figure may be negative"),
    ("-.5", "no figure may be negative"),
])
def test_amounts_that_are_none(folder, amount, words):
    transfer = ("wallet", "transfer", "ACCOUNT", amount, "money", "--key", "key.key")
    code, text = refused(folder, *transfer)
    assert code == 64 and words in text


@pytest.mark.parametrize("words, text", [
    (("wallet", "transfer", "tie1", "1", "money", "--key", "key.key"), "is not a key for"),
    (("wallet", "balance"), "give --key or --account"),
    (("wallet", "balance", "--account", "ACCOUNT", "--node", "nowhere"), "is not HOST:PORT"),
    (("wallet", "order", "place", "buy", "0.0001", "1", "--key", "key.key"), "whole watt-hours"),
    (("validators", "propose", "--key", "key.key"), "give --add and --remove"),
    (("backbone", "line", "7", "elm.json", "own.json", "--back", "-1", "--key", "key.key"),
     "no figure may be negative"),
    (("load", "--mix", "readings=0"), "has nothing in it"),
    (("load", "--funds", "1e3"), "is not a number"),
    (("load", "prepare", "own.json", "--genesis-out", "new.json", "--chain-rate", "0"),
     "--chain-rate is 1 to 100000"),
    (("load", "prepare", "own.json", "--genesis-out", "new.json", "--interval-seconds", "61"),
     "divides a day"),
])
def test_wrong_arguments_end_with_64(folder, words, text):
    code, said = refused(folder, *words)
    assert code == 64 and text in said


def test_a_name_must_be_printable(folder):
    key = run(folder, "keys", "show", "key.key")
    node = next(word for word in key.split() if word.startswith("tienode1"))
    code, text = refused(
        folder, "backbone", "genesis", "new.json", "--name", "Val\x1b[2Jley", "--operator",
        "ACCOUNT", "--validator", node)
    assert code == 1 and text == "the genesis is not valid:"
    assert not (folder / "new.json").exists()
