"""Binary Debian packages by dpkg-deb alone, the same bytes each time from the same files.

What dpkg-deb does not do is here: dependencies by dpkg-shlibdeps, md5sums, conffiles, one time for all.
"""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from contents import ROOT

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


class PackageError(Exception):
    """Something that a package needs is missing or not as it must be; the text says what to do."""


def run(*argv, cwd=None, env=None):
    done = subprocess.run([str(a) for a in argv], cwd=cwd, env=env, check=False, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise PackageError(f"{argv[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Builder:
    """Builds packages of one version into one folder.

    sources      contents.Sources
    version      Debian version
    commit       written into the control file, for people; None leaves it out
    epoch        seconds since 1970: the time of every file, in the package and in the archive
    """

    def __init__(self, sources, version, commit, epoch, out):
        self._sources = sources
        self._version = version
        self._commit = commit
        self._epoch = epoch
        self._out = pathlib.Path(out)
        self._arch = run("dpkg", "--print-architecture").strip()

    def build(self, package):
        """Writes OUT/NAME_VERSION_ARCH.deb and returns its path."""
        with tempfile.TemporaryDirectory(prefix="ensconce-deb-") as top:
            tree = pathlib.Path(top) / "tree"
            self._lay(package, tree)
            depends = self._shared_libraries(package, tree, pathlib.Path(top))
            self._control(package, tree, depends)
            self._settle(tree)
            path = self._out / f"{package.name}_{self._version}_{self._arch}.deb"
            pack(tree, path, self._epoch)
            return path

    def lay(self, package, tree):
        """Lays out what the package installs, without its control files."""
        self._lay(package, pathlib.Path(tree))

    # ---- The tree ------------------------------------------------------------------------------

    def _lay(self, package, tree):
        tree.mkdir(parents=True, exist_ok=True)
        for file in package.files:
            self._copy(file, tree / file.target)
        for folder in package.folders:
            (tree / folder).mkdir(parents=True)
        self._notices(package, tree / "usr/share/doc" / package.name)

    def _copy(self, file, target):
        source = self._sources.path(file)
        if not source.is_file():
            raise PackageError(f"{source} is missing: build it first (`make package` does)")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if file.strip:
            run("strip", "--strip-unneeded", "--remove-section=.comment", target)
        target.chmod(file.mode)

    def _notices(self, package, folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "packaging/debian/copyright", folder / "copyright")
        for name in package.third_party:
            notice = pathlib.Path("/usr/share/doc") / name / "copyright"
            if not notice.is_file():
                raise PackageError(f"{notice} is missing: what contains {name}'s code carries its "
                                   "notice. Install that package with its documentation")
            (folder / "third-party").mkdir(exist_ok=True)
            shutil.copyfile(notice, folder / "third-party" / name)

    # ---- Control files -------------------------------------------------------------------------

    def _shared_libraries(self, package, tree, top):
        """What dpkg-shlibdeps says that the programs and libraries of the tree need."""
        binaries = sorted(tree / f.target for f in package.files
                          if f.target.startswith(("usr/bin/", "usr/lib/ensconce/")))
        if not binaries:
            return ""
        debian = top / "debian"
        debian.mkdir()
        (debian / "control").write_text(f"Source: ensconce\n\nPackage: {package.name}\n"
                                        "Architecture: any\n", encoding="ascii")
        # The engine comes with the package that has it, so it is no dependency.
        (debian / "shlibs.local").write_text("libonnxruntime 1\n", encoding="ascii")
        said = run("dpkg-shlibdeps", "-O", f"-l{tree / 'usr/lib/ensconce'}",
                   *(f"-e{path}" for path in binaries), cwd=top)
        match = re.search(r"^shlibs:Depends=(.*)$", said, re.MULTILINE)
        if match is None:
            raise PackageError(f"dpkg-shlibdeps named no dependencies of {package.name}")
        return match[1]

    def _control(self, package, tree, depends):
        source = ROOT / "packaging/debian" / package.name
        fields = (source / "control").read_text(encoding="utf-8")
        fields = fields.replace("${shlibs:Depends}", depends)
        size = sum(max(1, -(-path.lstat().st_size // 1024)) for path in tree.rglob("*"))
        head = (f"Package: {package.name}\nSource: ensconce\nVersion: {self._version}\n"
                f"Architecture: {self._arch}\n"
                "Maintainer: The contributors to Ensconce <maintainers@ensconce.invalid>\n"
                f"Installed-Size: {size}\n")
        if self._commit:
            head += f"Ensconce-Commit: {self._commit}\n"
        sums = "".join(
            f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  "
            f"{path.relative_to(tree)}\n"
            for path in sorted(tree.rglob("*"))
            if path.is_file() and not path.is_symlink() and tree / "etc" not in path.parents)
        control = tree / "DEBIAN"
        control.mkdir()
        (control / "control").write_text(head + fields, encoding="utf-8")
        (control / "md5sums").write_text(sums, encoding="utf-8")
        conffiles = "".join(f"/{f.target}\n" for f in package.files if f.conffile)
        if conffiles:
            (control / "conffiles").write_text(conffiles, encoding="ascii")
        for name in SCRIPTS:
            if (source / name).is_file():
                shutil.copyfile(source / name, control / name)

    def _settle(self, tree):
        """Modes that do not depend on who builds."""
        executable = {tree / "DEBIAN" / name for name in SCRIPTS}
        for path in tree.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
            elif path in executable or path.stat().st_mode & 0o100:
                path.chmod(0o755)
            else:
                path.chmod(0o644)
        tree.chmod(0o755)


def pack(tree, path, epoch, compression=("-Zxz", "-z6")):
    """Packs a tree with its DEBIAN folder. One thread, as the number of them shows in the bytes."""
    for one in (tree, *tree.rglob("*")):
        os.utime(one, (epoch, epoch), follow_symlinks=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    run("dpkg-deb", "--root-owner-group", *compression, "--threads-max=1", "--build", tree, path,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C.UTF-8"})


def repack(deb, version, path, epoch):
    """The same package under another version, packed quickly: for tests of upgrades."""
    with tempfile.TemporaryDirectory(prefix="ensconce-deb-") as top:
        tree = pathlib.Path(top) / "tree"
        run("dpkg-deb", "--raw-extract", deb, tree)
        control = tree / "DEBIAN" / "control"
        text, count = re.subn(r"(?m)^Version: .*$", f"Version: {version}",
                              control.read_text(encoding="utf-8"))
        if count != 1:
            raise PackageError(f"{deb} names no version")
        control.write_text(text, encoding="utf-8")
        pack(tree, pathlib.Path(path), epoch, ("-Znone",))
