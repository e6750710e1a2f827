"""Merkle trees: published roots, another implementation's roots and proofs, and no proof of anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from streams.audit.merkle import EMPTY_ROOT, inclusion_proof, leaf_hash, root_from_inclusion, root_of

# of Certificate Transparency's own tests
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_roots_are_those_that_were_published(size: int) -> None:
    assert root_of([leaf_hash(bytes.fromhex(each)) for each in ENTRIES[:size]]).hex() == ROOTS[size]


def test_no_entries_have_a_root_too() -> None:
    assert root_of([]) == EMPTY_ROOT


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=70), st.data())
def test_roots_and_proofs_are_those_of_another_implementation(entries: list[bytes], data: st.DataObject) -> None:
    other = InmemoryTree(algorithm="sha256")
    for entry in entries:
        other.append_entry(entry)
    leaves = [leaf_hash(entry) for entry in entries]
    assert root_of(leaves) == other.get_root()
    index = data.draw(st.integers(0, len(entries) - 1))
    ours = inclusion_proof(leaves, index)
    theirs = [bytes.fromhex(each) for each in other.prove_inclusion(index + 1).serialize()["path"]]
    assert theirs == [leaves[index], *ours]
    assert root_from_inclusion(leaves[index], index, len(leaves), ours) == root_of(leaves)


@given(st.integers(1, 40), st.data())
def test_a_proof_shows_nothing_else(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(leaves, index)
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index)) if size > 1 else None
    if other is not None:
        assert _root(leaves[other], index, size, proof) != root_of(leaves)
        assert _root(leaves[index], other, size, proof) != root_of(leaves)
    for at in range(len(proof)):
        assert _root(leaves[index], index, size, proof[:at] + proof[at + 1 :]) != root_of(leaves)
    assert _root(leaves[index], index, size, [*proof, leaves[0]]) != root_of(leaves)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_beyond_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in the tree"):
        root_from_inclusion(leaf_hash(b""), index, size, [])


def _root(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    try:
        return root_from_inclusion(leaf, index, size, proof)
    except ValueError:
        return None
