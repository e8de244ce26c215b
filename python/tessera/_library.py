"""The C interface of libtessera, by ctypes: declarations, errors, and calls that Ctrl-C ends."""

from __future__ import annotations

import ctypes
import os
import threading
from ctypes import (
    CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_double, c_float, c_int32, c_int64,
    c_size_t, c_uint32, c_uint64, c_void_p, string_at,
)
from pathlib import Path


class TesseraError(Exception):
    """What the library refused or could not do.

    `str(error)` is the library's sentence, `error.status` the number of its kind and `error.name` the
    kind's name, such as "invalidArgument".
    """

    def __init__(self, message: str, status: int = 1, name: str = "invalidArgument"):
        super().__init__(message)
        self.status = status
        self.name = name


def _load() -> ctypes.CDLL:
    own = os.environ.get("TESSERA_LIBRARY")
    return ctypes.CDLL(own or str(Path(__file__).parent / "_lib" / "libtessera.so.0"))


lib = _load()

CANCELLED = 12


class Rows(Structure):
    _fields_ = [
        ("data", c_void_p), ("element", c_int32), ("count", c_int64), ("dimension", c_int64),
        ("stride", c_int64),
    ]


class Sized(Structure):
    """A struct that begins with its size; the size is set when it is made."""

    def __init__(self, **values):
        super().__init__(size=ctypes.sizeof(type(self)), **values)


PROGRESS = CFUNCTYPE(c_int32, c_char_p, c_double, c_double, c_void_p)
NOTE = CFUNCTYPE(None, c_char_p, c_void_p)


class ControlOptions(Sized):
    _fields_ = [
        ("size", c_size_t), ("progress", PROGRESS), ("note", NOTE), ("context", c_void_p),
        ("seconds", c_double),
    ]


class DeviceOptions(Sized):
    _fields_ = [("size", c_size_t), ("threads", c_int32), ("flags", c_uint32)]


class DeviceInfo(Structure):
    _fields_ = [
        ("identifier", c_char * 32), ("kind", c_char * 16), ("name", c_char * 128),
        ("driver", c_char * 128), ("variant", c_char * 64), ("memory_bytes", c_int64),
        ("compute_units", c_int64),
    ]


class SearchOptions(Sized):
    _fields_ = [
        ("size", c_size_t), ("filter", c_void_p), ("probes", c_int64), ("recall", c_double),
    ]


class SearchReport(Sized):
    _fields_ = [
        ("size", c_size_t), ("prepare_seconds", c_double), ("search_seconds", c_double),
        ("certified_share", c_double), ("lists_per_query", c_double), ("rows_per_query", c_double),
        ("device", c_char * 32),
    ]


class IndexOptions(Sized):
    _fields_ = [
        ("size", c_size_t), ("training_limit", c_int64), ("seed", c_uint64), ("iterations", c_int64),
    ]


class IndexInfo(Sized):
    _fields_ = [
        ("size", c_size_t), ("count", c_int64), ("dimension", c_int64), ("list_count", c_int64),
        ("list_imbalance", c_double), ("metric", c_int32), ("is_measured", c_int32),
        ("specification", c_char * 256),
    ]


class LivingInfo(Sized):
    _fields_ = [
        ("size", c_size_t), ("count", c_int64), ("dimension", c_int64), ("next_id", c_int64),
        ("added_count", c_int64), ("removed_count", c_int64), ("journal_bytes", c_int64),
        ("metric", c_int32), ("is_writable", c_int32), ("specification", c_char * 256),
    ]


class KMeansOptions(Sized):
    _fields_ = [
        ("size", c_size_t), ("metric", c_int32), ("algorithm", c_int32), ("start", c_int32),
        ("flags", c_uint32), ("iterations", c_int64), ("restarts", c_int64), ("batch_size", c_int64),
        ("training_limit", c_int64), ("seed", c_uint64), ("tolerance", c_double),
        ("centroids", Rows), ("weights", c_void_p), ("chunk_rows", c_int64),
    ]


class KMeansReport(Sized):
    _fields_ = [
        ("size", c_size_t), ("objective", c_double), ("seconds", c_double), ("iterations", c_int64),
        ("converged", c_int32),
    ]


class KMeansStepReport(Sized):
    _fields_ = [
        ("size", c_size_t), ("objective", c_double), ("repaired", c_int32), ("converged", c_int32),
    ]


class QuantizerInfo(Sized):
    _fields_ = [
        ("size", c_size_t), ("dimension", c_int64), ("code_bytes", c_int64),
        ("specification", c_char * 256),
    ]


def _declare():
    handle, out, pointer = c_void_p, POINTER(c_void_p), c_void_p
    rows = POINTER(Rows)
    calls = {
        "free": [handle],
        "control_create": [POINTER(ControlOptions), out],
        "control_cancel": [handle],
        "device_open": [c_char_p, POINTER(DeviceOptions), out],
        "device_describe": [handle, POINTER(DeviceInfo)],
        "devices": [POINTER(DeviceInfo), c_int64, POINTER(c_int64)],
        "vectors_wrap": [rows, c_void_p, c_void_p, out],
        "vectors_open": [c_char_p, out],
        "vectors_rows": [handle, rows],
        "filter_range": [c_int64, c_int64, out],
        "filter_ids": [pointer, c_int64, out],
        "filter_bitmap": [pointer, c_int64, c_int64, out],
        "search_vectors": [handle, c_int32, handle, out],
        "search_shard": [handle, c_int64, c_int32, handle, out],
        "search_index": [handle, handle, out],
        "search_living": [handle, handle, out],
        "search_codes": [handle, pointer, c_int64, c_int32, handle, out],
        # Rows of searches are bytes already.
        "search_nearest": [
            handle, pointer, c_int64, POINTER(SearchOptions), handle, pointer, pointer,
            POINTER(SearchReport)],
        "search_within": [
            handle, pointer, c_float, POINTER(SearchOptions), handle, out, POINTER(SearchReport)],
        "merge_top_k": [
            pointer, pointer, c_int64, c_int64, c_int64, c_int32, c_int64, pointer, pointer],
        "hits_count": [handle, POINTER(c_int64), POINTER(c_int64)],
        "hits_copy": [handle, pointer, pointer, pointer],
        "index_build": [
            c_char_p, handle, c_int32, pointer, c_int64, POINTER(IndexOptions), handle, handle, out],
        "index_train": [
            c_char_p, handle, c_int32, POINTER(IndexOptions), handle, handle, out],
        "index_open": [c_char_p, out],
        "index_save": [handle, c_char_p],
        "index_measure": [handle, handle, handle, out],
        "index_convert": [c_char_p, c_char_p, handle, handle],
        "index_describe": [handle, POINTER(IndexInfo)],
        "index_reconstruct": [handle, pointer, c_int64, handle, pointer],
        "index_renumber": [handle, out],
        "living_open": [c_char_p, c_uint32, out],
        "living_create": [handle, out],
        "living_add": [handle, rows, pointer, c_int64, pointer],
        "living_update": [handle, rows, pointer, c_int64],
        "living_remove": [handle, pointer, c_int64, POINTER(c_int64)],
        "living_remove_selected": [handle, handle, POINTER(c_int64)],
        "living_compact": [handle, handle, handle],
        "living_refresh": [handle],
        "living_verify": [handle],
        "living_index": [handle, handle, handle, out],
        "living_describe": [handle, POINTER(LivingInfo)],
        "living_reconstruct": [handle, pointer, c_int64, handle, pointer],
        "kmeans": [
            rows, c_int64, POINTER(KMeansOptions), handle, handle, pointer, pointer, pointer,
            POINTER(KMeansReport)],
        "bytes_get": [handle, out, POINTER(c_int64)],
        "kmeans_start_rows": [
            c_int64, c_int64, POINTER(KMeansOptions), pointer, c_int64, POINTER(c_int64)],
        "kmeans_start_centroids": [
            rows, c_int64, c_int64, POINTER(KMeansOptions), handle, handle, pointer],
        "kmeans_partial": [rows, c_int64, rows, POINTER(KMeansOptions), handle, handle, out],
        "kmeans_merge": [POINTER(c_char_p), pointer, c_int64, out],
        "kmeans_step": [
            c_char_p, c_int64, c_int64, rows, pointer, pointer, POINTER(KMeansStepReport)],
        "shard_ball": [rows, c_int32, handle, pointer, pointer],
        "shard_bounds": [rows, pointer, c_int32, rows, pointer],
        "shards_left": [
            pointer, pointer, c_int64, c_int64, pointer, c_int64, c_int32, pointer,
            POINTER(c_int64)],
        "quantizer_train": [c_char_p, rows, handle, handle, out, POINTER(c_double)],
        "quantizer_open": [c_char_p, out],
        "quantizer_save": [handle, c_char_p],
        "quantizer_describe": [handle, POINTER(QuantizerInfo)],
        "quantizer_encode": [handle, rows, handle, handle, pointer],
        "quantizer_decode": [handle, pointer, c_int64, handle, handle, pointer],
    }
    for name, arguments in calls.items():
        call = getattr(lib, "tessera_" + name)
        call.argtypes, call.restype = arguments, c_int32
    for name in ("version", "last_error"):
        getattr(lib, "tessera_" + name).restype = c_char_p
    lib.tessera_status_name.argtypes, lib.tessera_status_name.restype = [c_int32], c_char_p
    lib.tessera_has.argtypes, lib.tessera_has.restype = [c_char_p], c_int32
    lib.tessera_handle_count.restype = c_int64


_declare()


def failure(status: int) -> TesseraError:
    """Returns the error of this thread's last call."""
    return TesseraError(
        lib.tessera_last_error().decode(), status, lib.tessera_status_name(status).decode())


def check(status: int) -> None:
    if status:
        raise failure(status)


class Handle:
    """Owns a handle of the library."""

    __slots__ = ("value", "keeps")

    def __init__(self, call, *arguments, keeps=None):
        self.value = None
        # What the handle's memory belongs to.
        self.keeps = keeps
        out = c_void_p()
        check(call(*arguments, byref(out)))
        self.value = out

    @classmethod
    def taking(cls, value: c_void_p) -> "Handle":
        own = cls.__new__(cls)
        own.value, own.keeps = value, None
        return own

    # The default keeps the function where the interpreter ends before the handle does.
    def __del__(self, free=lib.tessera_free):
        if self.value:
            free(self.value)


def run(call, *arguments, control_at: int | None, progress=None, timeout=None, large: bool) -> None:
    """Calls the library so that Ctrl-C ends the call.

    `arguments[control_at]` is where the control goes. Only the main thread hears of Ctrl-C, and only
    while it runs Python: there a large call is made by another thread, and the main one waits.
    """
    waits = large and threading.current_thread() is threading.main_thread()
    if not (waits or progress or timeout):
        check(call(*arguments))
        return
    caught: list[BaseException] = []

    def told(stage, done, objective, _):
        try:
            return 0 if progress(stage.decode(), done) is not False else 1
        except BaseException as error:  # It is raised again where the caller can catch it.
            caught.append(error)
            return 1

    # Kept here until the call has ended.
    callback = PROGRESS(told) if progress else PROGRESS()
    control = Handle(
        lib.tessera_control_create, byref(ControlOptions(progress=callback, seconds=timeout or 0)))
    arguments = arguments[:control_at] + (control.value,) + arguments[control_at + 1:]
    errors: list[TesseraError] = []

    def work():
        status = call(*arguments)
        if status:
            # The text of the error belongs to this thread.
            errors.append(failure(status))

    if waits:
        thread = threading.Thread(target=work, name="tessera")
        thread.start()
        try:
            # A signal that another thread gets wakes nobody, so the main one looks now and then.
            while thread.is_alive():
                thread.join(0.05)
        except BaseException:
            lib.tessera_control_cancel(control.value)
            thread.join()
            raise
    else:
        work()
    if caught:
        raise caught[0]
    if errors:
        raise errors[0]
