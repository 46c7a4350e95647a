"""Named arrays in a file: safetensors' library reads what is written, and what it writes is mapped."""

import os
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from embtrain.tensor_file import map_tensors, write_tensors

TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=9).filter(lambda name: name != "__metadata__"),
    st.sampled_from(["<f8", "<f4", "<f2", "<i8", "<i4", "|u1"]).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("tensors") / "file.safetensors"


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@settings(max_examples=100, deadline=None)
@given(tensors=TENSORS)
def test_what_is_written_is_what_safetensors_reads(path, tensors):
    write_tensors(tensors, path)
    assert_same(safetensors.numpy.load_file(path), tensors)
    assert_same(map_tensors(path), tensors)


@settings(max_examples=50, deadline=None)
@given(tensors=TENSORS)
def test_what_safetensors_writes_is_mapped(path, tensors):
    safetensors.numpy.save_file(tensors, path, metadata={"by": "another"})
    assert_same(map_tensors(path), tensors)


def test_rows_that_do_not_lie_end_to_end_are_written_as_they_look(tmp_path):
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    write_tensors({"part": whole[:, 1:3]}, tmp_path / "file")
    np.testing.assert_array_equal(map_tensors(tmp_path / "file")["part"], whole[:, 1:3])


def test_a_mapped_file_may_be_replaced_or_deleted(tmp_path):
    path = tmp_path / "file"
    write_tensors({"a": np.full(10_000, 1.0)}, path)
    mapped = map_tensors(path)["a"]
    write_tensors({"a": np.full(10_000, 2.0)}, tmp_path / "other")
    (tmp_path / "other").replace(path)
    path.unlink()
    assert (mapped == 1).all()


def test_mapped_arrays_cannot_be_changed(tmp_path):
    write_tensors({"a": np.zeros(3)}, tmp_path / "file")
    with pytest.raises(ValueError, match="read-only"):
        map_tensors(tmp_path / "file")["a"][0] = 1


def test_numbers_of_a_type_that_is_not_written_are_refused_by_name(tmp_path):
    safetensors.numpy.save_file({"flags": np.zeros(3, bool)}, tmp_path / "file")
    with pytest.raises(ValueError, match="the tensor 'flags' is of type BOOL, expected one of F64, F32"):
        map_tensors(tmp_path / "file")


def test_mapping_takes_memory_of_the_system_and_none_of_the_process(tmp_path):
    write_tensors({"a": np.zeros(50 << 20, np.uint8)}, tmp_path / "file")
    mapped = map_tensors(tmp_path / "file")["a"]
    before = private_bytes()
    assert not mapped.any()
    assert private_bytes() - before < 10 << 20


def private_bytes():
    """Return what this process alone has in memory, of /proc/self/statm: resident pages, less those that are shared."""
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text("ascii").split())
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")
