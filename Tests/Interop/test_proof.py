"""The pure parts of the client, against published vectors and a chain made up here."""

import struct
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import intertie_proof as p
from intertie_client import Key, command, meter, sign_command, sign_reading, status

PARSE = command.Command.FromString

# BIP-350, test vectors for Bech32m.
VALID = [
    "A1LQFN3A",
    "a1lqfn3a",
    "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
    "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
    "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
    "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
    "?1v759aa",
]
INVALID = [
    "\x201xj0phk",
    "\x7f1g6xzxy",
    "\x801vctc34",
    "qyrz8wqd2c9m",
    "1qyrz8wqd2c9m",
    "y1b0jsk6g",
    "lt1igcx5c0",
    "in1muywd",
    "mm1crxm3i",
    "au1s5cgom",
    "M1VUXWEZ",
    "16plkw9",
    "1p2gdwpf",
]


@pytest.mark.parametrize("text", VALID)
def test_bech32m_takes_what_is_valid(text):
    p.bech32m_values(text)


@pytest.mark.parametrize("text", INVALID)
def test_bech32m_refuses_what_is_not(text):
    with pytest.raises(ValueError):
        p.bech32m_values(text)


def test_keys_as_text():
    data = bytes(range(32))
    for prefix in ("tie", "tiemeter", "tienode"):
        text = p.bech32m_encode(prefix, data)
        assert text.startswith(prefix + "1")
        assert p.bech32m_decode(prefix, text) == data
        assert p.bech32m_decode(prefix, text.upper()) == data
        with pytest.raises(ValueError):
            p.bech32m_decode("other", text)
        for place in range(len(prefix) + 1, len(text)):
            wrong = "q" if text[place] != "q" else "p"
            with pytest.raises(ValueError):
                p.bech32m_decode(prefix, text[:place] + wrong + text[place + 1 :])


# RFC 6962's tree over the leaves that Certificate Transparency's reference tests use.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def tree(leaves: list[bytes], index: int) -> tuple[bytes, list[bytes]]:
    """Root and path, by the RFC's recursive definition."""
    if len(leaves) == 1:
        return p.leaf_hash(leaves[0]), []
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    left, left_path = tree(leaves[:split], index if index < split else 0)
    right, right_path = tree(leaves[split:], index - split if index >= split else 0)
    path = left_path + [right] if index < split else right_path + [left]
    return p.node_hash(left, right), path


@pytest.mark.parametrize("count", range(1, 9))
def test_merkle_roots_of_the_reference(count):
    for index in range(count):
        root, path = tree(LEAVES[:count], index)
        assert root.hex() == ROOTS[count - 1]
        assert p.merkle_root(p.leaf_hash(LEAVES[index]), index, count, path) == root


def test_merkle_paths_of_a_wrong_shape():
    root, path = tree(LEAVES[:7], 4)
    leaf = p.leaf_hash(LEAVES[4])
    for index, count, hashes in (
        (7, 7, path),
        (4, 0, path),
        (4, 7, path[:-1]),
        (4, 7, path + [root]),
        (4, 7, [b""] + path[1:]),
    ):
        with pytest.raises(p.ProofError):
            p.merkle_root(leaf, index, count, hashes)
    assert p.merkle_root(leaf, 5, 7, path) != root


def test_quorums():
    table = {1: 1, 2: 2, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5, 10: 7, 100: 67}
    assert {n: p.quorum(n) for n in table} == table


def test_signing_is_rfc_8032():
    # Test 1 of section 7.1: the empty message, here behind no prefix.
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    key = Key(bytes.fromhex(seed))
    assert key.public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert key.sign(b"", b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b"
    )


def test_readings_have_the_bytes_that_other_languages_give():
    # The same figures and bytes as in the Swift tests.
    reading = meter.Reading(
        chain_id=struct.pack(">4Q", 1, 2, 3, 4),
        meter=struct.pack(">4Q", 5, 6, 7, 8),
        interval=1_900_000,
        exported_mwh=1_500_000,
        quality=meter.QUALITY_CORRECTED,
        version=300,
    )
    key = Key(bytes(32))
    signed = sign_reading(reading, key)
    assert signed.reading.hex() == (
        "0a200000000000000001000000000000000200000000000000030000000000000004"
        "12200000000000000005000000000000000600000000000000070000000000000008"
        "18e0fb7320e0c65b300338ac02"
    )
    assert signed.signature == key.sign(b"intertie/reading/v1", signed.reading)
    assert signed.signature != key.sign(b"intertie/command/v1", signed.reading)


class Chain:
    """A proof of an account under four validators, three of whom signed."""

    def __init__(self, signers=(0, 2, 3)):
        self.keys = [Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32) for i in range(4)]
        self.genesis = p.Genesis(b"c" * 32, [k.public_key().public_bytes_raw() for k in self.keys])
        self.account = p.Account(b"k" * 32, 1, 2, 3, 4, 5, 6, True, 7, 8)
        leaf = p.Account.LAYOUT.pack(*vars(self.account).values())
        root, path = tree([b"other", leaf, b"third"], 1)
        self.header = p.Header(
            self.genesis.chain_id,
            1,
            9,
            10,
            8,
            b"p" * 32,
            11,
            b"b" * 32,
            7,
            p.state_root(root, b"s" * 32),
            b"r" * 32,
            b"o" * 32,
        )
        self.proof = SimpleNamespace(
            leaf=leaf,
            leaf_index=1,
            leaf_count=3,
            path=path,
            accounts_root=root,
            checkpoint=b"s" * 32,
            height=7,
            header=b"",
            finalization=b"",
            descendants=[],
        )
        self.finalize(self.header, signers)

    def finalize(self, header, signers=(0, 2, 3), kind=p.FINALIZE):
        self.proof.header = p.Header.LAYOUT.pack(*vars(header).values())
        block = p.sha256(self.proof.header)
        views = struct.pack(">BQQQ", kind, header.epoch, header.view, header.parent_view)
        message = b"intertie/consensus/v1" + header.chain + views + block
        bitmap = bytes([sum(1 << signer for signer in signers)])
        signatures = b"".join(self.keys[signer].sign(message) for signer in signers)
        self.proof.finalization = views + block + struct.pack(">I", 1) + bitmap + signatures

    def verify(self):
        return p.verify_account(self.proof, self.account.key, self.genesis)


def test_a_proof_holds():
    chain = Chain()
    assert chain.verify() == (chain.account, chain.header)
    assert Chain(signers=(0, 1, 2, 3)).verify()[0] == chain.account


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("field", ["leaf", "checkpoint", "accounts_root", "header", "finalization"])
def test_every_byte_of_a_proof_counts(field):
    good = getattr(Chain().proof, field)
    for place in range(len(good)):
        chain = Chain()
        setattr(chain.proof, field, flip(good, place))
        with pytest.raises(p.ProofError):
            chain.verify()
    chain = Chain()
    setattr(chain.proof, field, good[:-1])
    with pytest.raises(p.ProofError):
        chain.verify()


def test_what_a_forger_might_try():
    with pytest.raises(p.ProofError, match="quorum"):
        Chain(signers=(1, 2)).verify()
    chain = Chain()
    chain.finalize(chain.header, kind=1)
    with pytest.raises(p.ProofError, match="no finalization"):
        chain.verify()
    chain = Chain()
    chain.finalize(replace(chain.header, chain=b"d" * 32))
    with pytest.raises(p.ProofError, match="another chain"):
        chain.verify()
    chain = Chain()
    chain.finalize(replace(chain.header, state_root=b"x" * 32))
    with pytest.raises(p.ProofError, match="another state"):
        chain.verify()
    chain = Chain()
    chain.proof.height = 8
    with pytest.raises(p.ProofError, match="another height"):
        chain.verify()
    chain = Chain()
    with pytest.raises(p.ProofError, match="another account"):
        p.verify_account(chain.proof, b"j" * 32, chain.genesis)
    chain = Chain()
    chain.keys[0] = chain.keys[1]
    chain.finalize(chain.header)
    with pytest.raises(p.ProofError, match="validator 0"):
        chain.verify()


def descend(header, behind: bytes, **changes):
    """The header of a block on top of it."""
    return replace(
        header, height=header.height + 1, view=header.view + 1, parent_view=header.view,
        parent=p.sha256(behind), **changes)


def test_a_header_is_final_with_one_behind_it():
    chain = Chain()
    first = chain.proof.header
    chain.finalize(descend(chain.header, first))
    chain.proof.header, chain.proof.descendants = first, [chain.proof.header]
    assert chain.verify() == (chain.account, chain.header)
    chain.proof.descendants = []
    with pytest.raises(p.ProofError, match="another block"):
        chain.verify()
    for change in ({"epoch": 2}, {"chain": b"d" * 32}):
        chain.finalize(descend(chain.header, first, **change))
        chain.proof.header, chain.proof.descendants = first, [chain.proof.header]
        with pytest.raises(p.ProofError, match="does not follow"):
            chain.verify()
    chain.finalize(descend(chain.header, b"another"))
    chain.proof.header, chain.proof.descendants = first, [chain.proof.header]
    with pytest.raises(p.ProofError, match="does not follow"):
        chain.verify()


# Epochs.


def acceptance(chain: p.Genesis, signer: Key, keys: list[bytes], epoch: int = 2):
    name = p.sha256(
        b"intertie/validators/v1" + chain.chain_id + struct.pack(">Q", epoch) + b"".join(keys))
    return sign_command(
        command.Command(
            chain_id=chain.chain_id, signer=signer.public, sequence=1,
            accept_validators=command.AcceptValidators(proposal=name)), signer)


def change(keys: list[bytes], acceptances, epoch: int = 2):
    return status.EpochChange(epoch=epoch, validators=keys, acceptances=acceptances)


def test_validators_are_proven_from_the_genesis_on():
    old = [Key() for _ in range(4)]
    new = [key.public for key in old[1:]] + [Key().public]
    genesis = p.Genesis(b"c" * 32, [key.public for key in old])
    trusted = p.Validators(genesis)
    trusted.advance(change(new, [acceptance(genesis, key, new) for key in old[:3]]), PARSE)
    assert trusted.epoch == 2
    assert trusted.validators_of(1) == genesis.validators and trusted.validators_of(2) == new
    for epoch in (0, 3):
        with pytest.raises(p.ProofError, match="not known"):
            trusted.validators_of(epoch)


def test_validators_that_no_quorum_accepted():
    old = [Key() for _ in range(4)]
    new = [key.public for key in old[1:]]
    genesis = p.Genesis(b"c" * 32, [key.public for key in old])
    good = [acceptance(genesis, key, new) for key in old]
    forged = command.SignedCommand(command=good[2].command, signature=good[1].signature)
    stranger = acceptance(genesis, Key(), new)
    of_others = acceptance(p.Genesis(b"d" * 32, []), old[2], new)
    of_later = acceptance(genesis, old[2], new, epoch=3)
    for wrong in (
        change(new, good[:2]),
        change(new, good[:2] + [good[1]]),
        change(new, good[:2] + [forged]),
        change(new, good[:2] + [stranger]),
        change(new, good[:2] + [of_others]),
        change(new, good[:2] + [of_later]),
        change(new[::-1], good),
        change(new, good, epoch=3),
        change(new + new[:1], good),
        change([], good),
    ):
        trusted = p.Validators(genesis)
        with pytest.raises(p.ProofError):
            trusted.advance(wrong, PARSE)
        assert trusted.epoch == 1
