"""NumPy arrays as rows of the C interface, without copies."""

from __future__ import annotations

import ctypes
import struct

import numpy as np

from ._library import Rows, TesseraError

METRICS = {"l2": 0, "ip": 1, "cosine": 2, "hamming": 3, "jaccard": 4}
_ELEMENTS = {
    np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int8): 3, np.dtype(np.uint8): 4}


_view = ctypes.c_char.from_buffer
_address = ctypes.addressof

# Where arrays of DLPack may lie that a processor reads: its own memory, pinned, and managed.
_READABLE = {1, 3, 13}
_PLACES = {
    2: "a GPU (CUDA)", 4: "an OpenCL device", 7: "a Vulkan device", 8: "Metal", 10: "a GPU (ROCm)",
    14: "a oneAPI device", 15: "WebGPU"}


def address(array: np.ndarray) -> int:
    """Returns where an array is."""
    try:
        # A quarter of the time that the other ways take.
        return _address(_view(array))
    except (TypeError, ValueError, BufferError):
        # It is read-only, empty, or its rows lie apart.
        return array.__array_interface__["data"][0]


def taken(values, name: str) -> np.ndarray:
    """Returns the array behind `values`: itself, or what has DLPack or the buffer protocol, where it
    lies; a new one of lists."""
    if isinstance(values, np.ndarray):
        return values
    if not hasattr(values, "__dlpack__"):
        return np.asarray(values)
    place = values.__dlpack_device__()[0] if hasattr(values, "__dlpack_device__") else 1
    if place not in _READABLE:
        raise TesseraError(
            f"{name}: the array lies on {_PLACES.get(int(place), f'a device of kind {int(place)}')}, "
            "and is read from the processor's memory; copy it there first, as by values.cpu() (PyTorch), "
            "cupy.asnumpy(values) or jax.device_get(values)", 5, "wrongDevice")
    try:
        return np.from_dlpack(values)
    except (BufferError, RuntimeError, TypeError) as error:
        raise TesseraError(
            f"{name}: NumPy does not take the array by DLPack ({error}); give numpy.asarray(values)"
        ) from error


def metric_number(metric: str) -> int:
    try:
        return METRICS[metric]
    except (KeyError, TypeError):
        raise TesseraError(
            f'metric {metric!r} is unknown; choose "ip", "l2", "cosine", or for rows of '
            'bits "hamming" or "jaccard"') from None


def as_matrix(values, name: str) -> np.ndarray:
    """Returns rows that the library reads where they are.

    Arrays whose rows lie one after the other, or apart, are taken as they are; others have to be copied
    by the caller, who then knows that they are. Whatever has DLPack or the buffer protocol is taken too.
    """
    if not isinstance(values, np.ndarray):
        given, values = values, taken(values, name)
        # Numbers of lists have no type of their own.
        if not hasattr(given, "__dlpack__") and (
            values.dtype == np.float64 or values.dtype.kind in "iub" and values.itemsize > 1):
            values = values.astype(np.float32)
    if values.ndim != 2:
        raise TesseraError(
            f"{name}: an array of {values.ndim} dimensions; give rows and columns", 2,
            "invalidShape")
    if values.dtype not in _ELEMENTS:
        raise TesseraError(
            f"{name}: numbers of type {values.dtype} are not searched; give float32, float16, int8 or "
            f"uint8, as by values.astype(numpy.float32)")
    rows, columns = values.shape
    item = values.itemsize
    row, column = values.strides
    if (columns > 1 and column != item) or (rows > 1 and row < columns * item):
        raise TesseraError(
            f"{name}: the numbers of a row do not lie one after the other; give "
            f"numpy.ascontiguousarray(values), which copies", 2, "invalidShape")
    return values


def as_rows(values: np.ndarray) -> Rows:
    rows, columns = values.shape
    return Rows(
        address(values), _ELEMENTS[values.dtype], rows, columns,
        values.strides[0] if rows > 1 else 0)


# The bytes of Rows, in a third of the time that the struct takes.
_packed = struct.Struct("Piqqq").pack


def taken_rows(values, name: str) -> tuple[np.ndarray, bytes, int, int]:
    """Returns rows as `as_matrix` does, what the library reads of them, their number and dimension."""
    try:
        # What most calls bring, in half the time: an array without gaps that may be written.
        count, dimension = values.shape
        return values, _packed(
            _address(_view(values)), _ELEMENTS[values.dtype], count, dimension, 0), count, dimension
    except (AttributeError, BufferError, KeyError, TypeError, ValueError):
        values = as_matrix(values, name)
        return values, bytes(as_rows(values)), *values.shape


def as_ids(ids, name: str = "ids") -> np.ndarray:
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise TesseraError(f"{name}: give a row of whole numbers", 2, "invalidShape")
    return np.ascontiguousarray(array, dtype=np.int64)
