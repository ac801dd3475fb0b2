"""What a client needs to check an Intertie chain by itself, without a network and without Swift:
keys as text (Bech32m), the chain's id out of its genesis file, Merkle paths, headers, certificates.

Every layout here is written out from its documentation, not generated, so that a mistake on either
side shows.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class ProofError(Exception):
    """A link of a proof that does not hold."""


def require(condition: bool, fault: str) -> None:
    if not condition:
        raise ProofError(fault)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# Bech32m, as in BIP-350.

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32M = 0x2BC830A3


def _polymod(values: list[int]) -> int:
    generators = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(generators):
            if top >> bit & 1:
                checksum ^= generator
    return checksum


def _expand(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _regroup(data: list[int] | bytes, width: int, to: int, pad: bool) -> list[int]:
    accumulator, bits, result = 0, 0, []
    for value in data:
        accumulator = accumulator << width | value
        bits += width
        while bits >= to:
            bits -= to
            result.append(accumulator >> bits & ((1 << to) - 1))
        accumulator &= (1 << bits) - 1
    if pad and bits:
        result.append(accumulator << (to - bits) & ((1 << to) - 1))
    elif not pad and (bits >= width or accumulator):
        raise ValueError("bits are left over")
    return result


def bech32m_encode(prefix: str, data: bytes) -> str:
    values = _regroup(data, 8, 5, pad=True)
    checksum = _polymod(_expand(prefix) + values + [0] * 6) ^ BECH32M
    values += [checksum >> 5 * (5 - i) & 31 for i in range(6)]
    return prefix + "1" + "".join(ALPHABET[v] for v in values)


def bech32m_values(text: str) -> tuple[str, list[int]]:
    """Prefix and five-bit values, the checksum cut off; ValueError if it is no Bech32m."""
    if text != text.lower() and text != text.upper():
        raise ValueError("mixed case")
    prefix, separator, tail = text.lower().rpartition("1")
    if not separator or not prefix or len(tail) < 6 or any(not 33 <= ord(c) <= 126 for c in text):
        raise ValueError("no Bech32m text")
    if any(c not in ALPHABET for c in tail):
        raise ValueError("a letter that Bech32m does not have")
    values = [ALPHABET.index(c) for c in tail]
    if _polymod(_expand(prefix) + values) != BECH32M:
        raise ValueError("the checksum is wrong")
    return prefix, values[:-6]


def bech32m_decode(prefix: str, text: str) -> bytes:
    found, values = bech32m_values(text)
    if found != prefix:
        raise ValueError(f"'{prefix}' is expected, not '{found}'")
    return bytes(_regroup(values, 5, 8, pad=False))


# The genesis.


@dataclass(frozen=True)
class Genesis:
    """What a verifier trusts: the chain's id, and the validators that it names.

    `backbone` is that of the backbone which the grid is part of; None for a grid of its own.
    """

    chain_id: bytes
    validators: list[bytes]
    backbone: Genesis | None = None

    @staticmethod
    def parse(text: bytes) -> Genesis:
        """Reads a grid's genesis file; the id is the SHA-256 of its canonical encoding."""
        genesis = json.loads(text)
        backbone = genesis.get("backbone")
        above = None
        if backbone is not None:
            above = Genesis(sha256(_encode_backbone(backbone)), _keys(backbone["validators"]))
        return Genesis(sha256(_encode_genesis(genesis, above)), _keys(genesis["validators"]), above)

    def validators_of(self, epoch: int) -> list[bytes]:
        """Those of the first epoch; `Validators` knows the others."""
        require(epoch == 1, f"the validators of epoch {epoch} are not known")
        return self.validators


class Validators:
    """The validators of each epoch, proven to whoever knows only the genesis: a quorum of every set
    has signed, as commands, that it accepts the next one."""

    def __init__(self, genesis: Genesis):
        self.chain_id = genesis.chain_id
        self._sets = [list(genesis.validators)]

    @property
    def epoch(self) -> int:
        """The newest one that is proven."""
        return len(self._sets)

    def validators_of(self, epoch: int) -> list[bytes]:
        require(1 <= epoch <= self.epoch, f"the validators of epoch {epoch} are not known")
        return self._sets[epoch - 1]

    def advance(self, change, parse) -> None:
        """Takes the next epoch's validators over, if a quorum of those before has accepted them.

        `change` has the fields of EpochChange; `parse` reads a Command's bytes.
        """
        require(change.epoch == self.epoch + 1, f"epoch {self.epoch + 1} is wanted")
        keys = list(change.validators)
        require(
            1 <= len(keys) <= 100 and len(set(keys)) == len(keys)
            and all(len(key) == 32 for key in keys),
            "that is no set of validators",
        )
        name = sha256(
            b"intertie/validators/v1" + self.chain_id + struct.pack(">Q", change.epoch)
            + b"".join(keys)
        )
        before = self._sets[-1]
        signers = set()
        for signed in change.acceptances:
            command = parse(signed.command)
            if (
                command.chain_id == self.chain_id
                and command.signer in before
                and command.accept_validators.proposal == name
                and _is_signed(
                    command.signer, signed.signature, b"intertie/command/v1" + signed.command)
            ):
                signers.add(command.signer)
        require(
            len(signers) >= quorum(len(before)),
            f"{len(signers)} of {len(before)} validators have accepted epoch {change.epoch}",
        )
        self._sets.append(keys)


def _is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def _key(text: str) -> bytes:
    for prefix in ("tie", "tiemeter", "tienode"):
        try:
            return bech32m_decode(prefix, text)
        except ValueError:
            continue
    raise ValueError(f"'{text}' is not a key")


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">I", len(data)) + data


def _integers(source: dict, names: str) -> bytes:
    return b"".join(struct.pack(">q", source[name]) for name in names.split())


def _list(items: list, encode) -> bytes:
    return struct.pack(">I", len(items)) + b"".join(encode(item) for item in items)


def _keys(texts: list[str]) -> list[bytes]:
    return [_key(text) for text in texts]


CALENDAR = "intervalSeconds closeDelaySeconds origin wallOrigin rate"


def _encode_backbone(g: dict) -> bytes:
    """As a grid's genesis; there are no grids in it."""
    parts = [
        _text("intertie/backbone/v1"),
        _text(g["name"]),
        _integers(g["calendar"], CALENDAR),
        _integers(g, "roundSeconds"),
        *(_key(g["roles"][r]) for r in "operator oracle gateway".split()),
        _list(g["validators"], _key),
    ]
    return b"".join(parts)


def _encode_genesis(g: dict, backbone: Genesis | None) -> bytes:
    """Fixed-width big-endian integers, byte strings behind a 32-bit length, in a fixed order."""

    def account(a: dict) -> bytes:
        return _key(a["id"]) + _integers(a, "money tsl") + bytes([a["isMember"]])

    def meter(m: dict) -> bytes:
        keys = _key(m["id"]) + _key(m["account"])
        return keys + _integers(m, "maximumPower") + bytes([m["isClean"]])

    def storage(s: dict) -> bytes:
        return struct.pack(">Q", s["unit"]) + _key(s["owner"]) + _integers(s, "capacity power")

    parts = [
        _text("intertie/genesis/v1"),
        _text(g["name"]),
        _integers(g["calendar"], CALENDAR),
        _integers(
            g["parameters"],
            "lateDays storageBudget capacityPrice oversizePermille commission ownersPercent "
            "educationPercent educationGrant educationFund makerFeePermille takerFeePermille "
            "makerSpreadPermille",
        ),
        *(_key(g["roles"][r]) for r in "operator oracle gateway utility community".split()),
        _list(g["validators"], _key),
        _list(g["tariff"]["retail"], lambda price: struct.pack(">q", price)),
        _list(g["tariff"]["feedIn"], lambda price: struct.pack(">q", price)),
        _list(g["accounts"], account),
        _list(g["meters"], meter),
        _list(g["storage"], storage),
        backbone.chain_id if backbone else b"",
    ]
    return b"".join(parts)


# Merkle trees, as in RFC 6962 section 2.1.


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right)


def merkle_root(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """The root that a path gives for a leaf's hash; ProofError if it has not the tree's shape."""
    require(0 <= index < count, "the leaf lies outside the tree")
    require(all(len(sibling) == 32 for sibling in path), "a hash of the path is not 32 bytes")
    rest = list(path)
    result = leaf
    while count > 1:
        if index ^ 1 < count:
            require(bool(rest), "the path is too short")
            sibling = rest.pop(0)
            result = node_hash(sibling, result) if index & 1 else node_hash(result, sibling)
        index >>= 1
        count = (count + 1) // 2
    require(not rest, "the path is too long")
    return result


# What the chain signs.


@dataclass(frozen=True)
class Account:
    """A leaf of the state tree: 97 bytes."""

    LAYOUT = struct.Struct(">32s6q?QQ")

    key: bytes
    watt: int
    money: int
    held_money: int
    tsl: int
    ect: int
    arrears: int
    is_member: bool
    highest_sequence: int
    sequence_bits: int

    @staticmethod
    def parse(leaf: bytes) -> Account:
        require(len(leaf) == Account.LAYOUT.size, "the leaf is not 97 bytes")
        require(leaf[80] <= 1, "the leaf's flag is neither 0 nor 1")
        return Account(*Account.LAYOUT.unpack(leaf))


@dataclass(frozen=True)
class Header:
    """A block's header: 240 bytes."""

    LAYOUT = struct.Struct(">32sQQQQ32sq32sQ32s32s32s")

    chain: bytes
    epoch: int
    height: int
    view: int
    parent_view: int
    parent: bytes
    time_us: int
    body: bytes
    attested_height: int
    state_root: bytes
    receipts_root: bytes
    outbox_root: bytes

    @staticmethod
    def parse(data: bytes) -> Header:
        require(len(data) == Header.LAYOUT.size, f"the header is not {Header.LAYOUT.size} bytes")
        return Header(*Header.LAYOUT.unpack(data))


def quorum(validators: int) -> int:
    return validators - (validators - 1) // 3


FINALIZE = 3


def verify_finalization(
    header: bytes, certificate: bytes, trusted: Genesis | Validators, descendants=()
) -> Header:
    """Checks that a quorum of the validators of the header's epoch finalised it, or the last of the
    headers behind it; returns it parsed."""
    parsed = Header.parse(header)
    require(parsed.chain == trusted.chain_id, "the header is of another chain")
    last, last_bytes = parsed, header
    for data in descendants:
        below = Header.parse(data)
        require(
            (below.chain, below.epoch, below.height) == (parsed.chain, parsed.epoch, last.height + 1)
            and (below.parent_view, below.parent) == (last.view, sha256(last_bytes))
            and below.view > last.view,
            "a header behind it does not follow the one before",
        )
        last, last_bytes = below, data
    _verify_certificate(last, sha256(last_bytes), certificate, trusted.validators_of(parsed.epoch))
    return parsed


def _verify_certificate(
    header: Header, block: bytes, certificate: bytes, validators: list[bytes]
) -> None:
    subject = struct.Struct(">BQQQ32sI")
    require(len(certificate) >= subject.size, "the certificate is cut off")
    kind, epoch, view, parent_view, named, size = subject.unpack_from(certificate)
    require(kind == FINALIZE, "the certificate is no finalization")
    require(
        (epoch, view, parent_view) == (header.epoch, header.view, header.parent_view)
        and named == block,
        "the certificate is of another block",
    )
    bitmap = certificate[subject.size : subject.size + size]
    signers = [i for i in range(8 * len(bitmap)) if bitmap[i // 8] >> i % 8 & 1]
    signatures = certificate[subject.size + size :]
    require(len(bitmap) == size, "the certificate is cut off")
    require(len(signatures) == 64 * len(signers), "signers and signatures differ in number")
    require(len(signers) >= quorum(len(validators)), "the signers are no quorum")
    require(signers[-1] < len(validators), "a signer is no validator")
    message = (
        b"intertie/consensus/v1"
        + header.chain
        + struct.pack(">BQQQ", FINALIZE, epoch, view, parent_view)
        + block
    )
    for place, signer in enumerate(signers):
        signature = signatures[64 * place : 64 * place + 64]
        require(
            _is_signed(validators[signer], signature, message),
            f"the signature of validator {signer} is not valid",
        )


def state_root(accounts_root: bytes, checkpoint: bytes) -> bytes:
    require(len(checkpoint) == 32, "the checkpoint is not 32 bytes")
    return sha256(b"intertie/state/v1" + accounts_root + checkpoint)


def verify_account(
    proof, key: bytes, trusted: Genesis | Validators
) -> tuple[Account, Header]:
    """Checks a Ledger.Proof response from the leaf to the validators' signatures.

    `proof` has the message's fields; of the response nothing else is trusted than what the
    validators signed, those of the genesis or of an epoch that is proven from there.
    """
    account = Account.parse(proof.leaf)
    require(account.key == key, "the proof is of another account")
    root = merkle_root(leaf_hash(proof.leaf), proof.leaf_index, proof.leaf_count, list(proof.path))
    require(root == proof.accounts_root, "the path does not lead to the accounts' root")
    header = verify_finalization(
        proof.header, proof.finalization, trusted, list(proof.descendants))
    require(
        state_root(root, proof.checkpoint) == header.state_root,
        "the header attests another state",
    )
    require(header.attested_height == proof.height, "the header attests another height")
    return account, header


# Packets between chains, as a block carries them with their proof.

DELIVERY = 3
TRANSFER_IN = 66
# Assets in packets.
MONEY, TSL, ECT = 1, 2, 3


def entries(body: bytes) -> list[tuple[int, bytes]]:
    """Kind and payload of each entry of a block's body."""
    result = []
    while body:
        kind, size = struct.unpack_from(">BI", body)
        require(len(body) >= 5 + size + 64, "the body is cut off")
        result.append((kind, body[5 : 5 + size]))
        body = body[5 + size + 64 :]
    return result


class _Reader:
    def __init__(self, data: bytes):
        self._data = data

    def take(self, size: int) -> bytes:
        require(len(self._data) >= size, "the delivery is cut off")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def counted(self) -> bytes:
        return self.take(self.integer(4))

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def finish(self) -> None:
        require(not self._data, "bytes are left over")


@dataclass(frozen=True)
class Packet:
    source: bytes
    destination: bytes
    sequence: int
    acknowledged: int
    kind: int
    body: bytes


@dataclass(frozen=True)
class TransferIn:
    """What a packet of this kind credits, and whom it comes from."""

    LAYOUT = struct.Struct(">32s32s32sBq")

    origin: bytes
    sender: bytes
    account: bytes
    asset: int
    amount: int

    @staticmethod
    def parse(packet: Packet) -> TransferIn:
        require(packet.kind == TRANSFER_IN, "the packet credits nobody from another grid")
        require(len(packet.body) == TransferIn.LAYOUT.size, "the packet's body has another size")
        return TransferIn(*TransferIn.LAYOUT.unpack(packet.body))


def verify_delivery(payload: bytes, trusted: Genesis | Validators) -> tuple[Header, list[Packet]]:
    """Checks the packets of a delivery up to their chain's validators: each one's path leads to the
    outbox root of a header that these have finalised."""
    reader = _Reader(payload)
    source, destination = reader.take(32), reader.take(32)
    for _ in range(reader.integer(1)):
        reader.counted()  # A change of validators: `trusted` has to know it by itself.
    header = reader.take(Header.LAYOUT.size)
    finality = _Reader(reader.counted())
    descendants = [finality.take(Header.LAYOUT.size) for _ in range(finality.integer(4))]
    parsed = verify_finalization(header, finality.rest(), trusted, descendants)
    require(parsed.chain == source, "the header is of another chain than the packets")
    packets = [_packet(reader, parsed.outbox_root) for _ in range(reader.integer(4))]
    reader.finish()
    require(
        all((p.source, p.destination) == (source, destination) for p in packets),
        "a packet goes another way",
    )
    return parsed, packets


def _packet(reader: _Reader, root: bytes) -> Packet:
    fixed = reader.take(32 + 32 + 8 + 8 + 1)
    body = reader.counted()
    encoded = fixed + struct.pack(">I", len(body)) + body
    index, count = reader.integer(8), reader.integer(8)
    path = [reader.take(32) for _ in range(reader.integer(1))]
    require(
        merkle_root(leaf_hash(encoded), index, count, path) == root,
        "the path does not lead to the outbox root",
    )
    source, destination, sequence, acknowledged, kind = struct.unpack(">32s32sQQB", fixed)
    return Packet(source, destination, sequence, acknowledged, kind, body)
