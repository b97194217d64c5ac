"""An OCI image layout, written by hand: no container engine, and the same bytes each time.

OCI Image Specification 1.0: an image layout is a folder with oci-layout, index.json and
blobs/sha256; an image is a manifest that names a configuration and its layers, each by the SHA-256
of its bytes. A layer is a tar archive; its DiffID is the SHA-256 before compression.
"""

import dataclasses
import datetime
import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import tarfile

MEDIA = "application/vnd.oci.image."


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file (source), a link (link) or a folder (neither) of a layer. All belong to root."""

    path: str  # without a slash at the front
    source: pathlib.Path | bytes | None = None
    link: str | None = None
    mode: int = 0o644


def layer(entries, epoch):
    """The bytes of a tar archive of the entries, with the folders above them, sorted by path."""
    found = {}
    for entry in entries:
        parts = pathlib.PurePosixPath(entry.path).parts
        for depth in range(1, len(parts)):
            found.setdefault("/".join(parts[:depth]), Entry("/".join(parts[:depth]), mode=0o755))
        present = found.get(entry.path)
        if present not in (None, entry) and not is_folder(present):
            raise ValueError(f"two things are called {entry.path}")
        found[entry.path] = entry
    buffer = io.BytesIO()
    # USTAR has no field for what differs between machines; what does not fit it is an error.
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(found):
            add(archive, found[path], epoch)
    return buffer.getvalue()


def is_folder(entry):
    return entry.source is None and entry.link is None


def add(archive, entry, epoch):
    info = tarfile.TarInfo(entry.path)
    info.mtime = epoch
    info.mode = entry.mode
    info.uname = info.gname = ""
    if entry.link is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        archive.addfile(info)
    elif entry.source is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(info)
    else:
        data = entry.source if isinstance(entry.source, bytes) else entry.source.read_bytes()
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))


def compressed(data):
    """gzip without name and time."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(data)
    return buffer.getvalue()


class Layout:
    """Writes one image into a new folder; finish() puts it in the place of an older one."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self._new = self._folder.with_name(self._folder.name + ".new")
        shutil.rmtree(self._new, ignore_errors=True)
        (self._new / "blobs" / "sha256").mkdir(parents=True)

    def blob(self, kind, data):
        digest = hashlib.sha256(data).hexdigest()
        (self._new / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": MEDIA + kind, "digest": f"sha256:{digest}", "size": len(data)}

    def finish(self, layers, config, labels, name, architecture, epoch):
        """layers: lists of Entry, the lowest first; config: the image's "config" object.
        Returns the manifest's digest: what a registry and Kubernetes call the image by."""
        archives = [layer(entries, epoch) for entries in layers]
        descriptors = [self.blob("layer.v1.tar+gzip", compressed(data)) for data in archives]
        created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc)
        created = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        image = self.blob("config.v1+json", encoded({
            "created": created,
            "architecture": architecture,
            "os": "linux",
            "config": {**config, "Labels": labels},
            "rootfs": {"type": "layers",
                       "diff_ids": [f"sha256:{hashlib.sha256(d).hexdigest()}" for d in archives]},
            "history": [{"created": created, "created_by": "packaging/build"} for _ in archives],
        }))
        manifest = self.blob("manifest.v1+json", encoded({
            "schemaVersion": 2,
            "mediaType": MEDIA + "manifest.v1+json",
            "config": image,
            "layers": descriptors,
            "annotations": labels,
        }))
        self._write("index.json", {
            "schemaVersion": 2,
            "mediaType": MEDIA + "index.v1+json",
            "manifests": [{**manifest,
                           "platform": {"architecture": architecture, "os": "linux"},
                           "annotations": {"org.opencontainers.image.ref.name": name}}],
        })
        self._write("oci-layout", {"imageLayoutVersion": "1.0.0"})
        shutil.rmtree(self._folder, ignore_errors=True)
        os.rename(self._new, self._folder)
        return manifest["digest"]

    def _write(self, name, value):
        (self._new / name).write_bytes(encoded(value))


def encoded(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
