"""TensorFlow's file system in memory, ram://, as the stand-in for an object store.

No call of Python's own reaches it: what works there goes through tf.io.gfile, TensorFlow's C++ or
Beam's file systems, as on gs://.
"""

import io
import posixpath

import tensorflow as tf
from etils.epath import backend, gpath, register

from components import storage

URI = "ram://bucket"


class _Backend(backend._TfBackend):
    """Replaces a file that is written again, as stores do; TensorFlow's ram:// appends to it."""

    def open(self, path, mode):
        if "w" in mode and self.exists(path):
            self.remove(path)
        return super().open(path, mode)

    def copy(self, path, dst, overwrite):
        if overwrite and self.exists(dst):
            self.remove(dst)
        super().copy(path, dst, overwrite)

    def walk(self, top, *, top_down=True, on_error=None):
        return _walk(top, topdown=top_down, onerror=on_error)


def _walk(top, **options):
    """tf.io.gfile.walk without a ghost: ram:// lists "assets.extra" as ".extra" of "assets" too."""
    for root, folders, names in tf.io.gfile.walk(top, **options):
        there = [name for name in names if tf.io.gfile.exists(posixpath.join(root, name))]
        yield root, folders, there


def take_ram_for_a_store(patch):
    """Lets `components.storage` and etils take ram:// as they take gs://.

    Args:
      patch: pytest.MonkeyPatch, which undoes it.
    """
    patch.setattr(storage, "SCHEMES", (*storage.SCHEMES, "ram://"))
    patch.setattr(gpath, "_URI_PREFIXES", (*gpath._URI_PREFIXES, "ram://"))
    patch.setattr(gpath, "_URI_SCHEMES", gpath._URI_SCHEMES | {"ram"})
    patch.setitem(gpath._URI_MAP_ROOT, "ram://", "/ram/")
    replacing = _Backend()
    patch.setattr(backend, "tf_backend", replacing)
    patch.setitem(gpath._PREFIX_TO_BACKEND, "ram", replacing)
    patch.setattr(gpath, "_GCS_BACKENDS", gpath._GCS_BACKENDS | {replacing})
    patch.setitem(register._URI_PREFIXES_TO_CLS, "ram://", gpath.PosixGPath)


def files():
    """Names of all files in the store."""
    return {
        posixpath.join(root, name).removeprefix(f"{URI}/")
        for root, _, names in _walk(URI)
        for name in names
    }


class _Download(io.BytesIO):
    """What Beam reads; it looks for a mode."""

    mode = "rb"


class _Upload(io.BytesIO):
    """An object appears when it is closed, whole."""

    mode = "wb"

    def __init__(self, path):
        super().__init__()
        self._path = path

    def close(self):
        if not self.closed:
            with tf.io.gfile.GFile(self._path, "wb") as stream:
                stream.write(self.getvalue())
        super().close()


def let_beam_write_to_ram():
    """Defines Beam's file system for ram://, which stays for the life of the process."""
    from apache_beam.io.filesystem import CompressedFile, CompressionTypes, FileMetadata, FileSystem

    gfile = tf.io.gfile

    def wrapped(stream, path, compression):
        kind = FileSystem._get_compression_type(path, compression)
        if kind == CompressionTypes.UNCOMPRESSED:
            return stream
        return CompressedFile(stream, compression_type=kind)

    class RamFileSystem(FileSystem):
        @classmethod
        def scheme(cls):
            return "ram"

        def join(self, basepath, *paths):
            return posixpath.join(basepath, *paths)

        def split(self, path):
            return posixpath.split(path)

        def mkdirs(self, path):
            gfile.makedirs(path)

        def has_dirs(self):
            return True

        def _list(self, dir_or_prefix):
            for root, _, names in gfile.walk(dir_or_prefix):
                for name in names:
                    yield self.metadata(posixpath.join(root, name))

        def create(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
            gfile.makedirs(posixpath.dirname(path))
            return wrapped(_Upload(path), path, compression_type)

        def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
            with gfile.GFile(path, "rb") as stream:
                return wrapped(_Download(stream.read()), path, compression_type)

        def copy(self, source_file_names, destination_file_names):
            for source, target in zip(source_file_names, destination_file_names, strict=True):
                gfile.copy(source, target, overwrite=True)

        def rename(self, source_file_names, destination_file_names):
            for source, target in zip(source_file_names, destination_file_names, strict=True):
                gfile.rename(source, target, overwrite=True)

        def exists(self, path):
            return gfile.exists(path)

        def size(self, path):
            return gfile.stat(path).length

        def last_updated(self, path):
            return gfile.stat(path).mtime_nsec / 1e9

        def checksum(self, path):
            return str(self.size(path))

        def metadata(self, path):
            return FileMetadata(path, self.size(path), self.last_updated(path))

        def delete(self, paths):
            for path in paths:
                (gfile.rmtree if gfile.isdir(path) else gfile.remove)(path)

    return RamFileSystem
