"""The worker's image: the program, the libraries it loads, and nothing else. No shell, no package manager, no
certificates of authorities: the worker trusts pins and policies alone.
"""

import hashlib
import pathlib
import re

import oci
from contents import ENGINE
from deb import PackageError, run

LOADER = "/lib64/ld-linux-x86-64.so.2"
LIBRARY_FOLDER = "usr/lib/ensconce"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
USER = 65532  # nobody's number on a host, as images without a shell have it
PASSWD = (f"root:x:0:0:root:/root:/sbin/nologin\n"
          f"ensconce-worker:x:{USER}:{USER}:Ensconce worker:/:/sbin/nologin\n")
GROUP = f"root:x:0:\nensconce-worker:x:{USER}:\n"


def closure(program, folder):
    """{soname: path} of all shared libraries that the dynamic loader brings in, itself included.
    folder stands for the place of the engine, which is an absolute path in the program."""
    found = {}
    for line in run(LOADER, "--library-path", folder, "--list", program).splitlines():
        if match := re.fullmatch(r"\s*(\S+) => (/\S+) \(0x[0-9a-f]+\)", line):
            found[match[1]] = pathlib.Path(match[2])
        elif match := re.fullmatch(r"\s*(/\S+) \(0x[0-9a-f]+\)", line):
            found[pathlib.Path(match[1]).name] = pathlib.Path(match[1])
        elif "linux-vdso" not in line and line.strip():
            raise PackageError(f"{program} does not find all its libraries: {line.strip()}")
    return found


def owner(path):
    """(package, version) of an installed file. Debian 12 lists libraries under /lib or /usr/lib."""
    real = path.resolve()
    names = {str(real), str(real).removeprefix("/usr")}
    for name in sorted(names):
        try:
            package = run("dpkg-query", "--search", name).split(": ")[0].split(",")[0]
        except PackageError:
            continue
        return package.split(":")[0], run("dpkg-query", "-W", "-f", "${Version}", package).strip()
    raise PackageError(f"no Debian package has {path}: the image takes libraries from packages "
                       "alone, so that their versions and notices can be named")


def write(builder, worker, out, version, commit, epoch, architecture="amd64"):
    """Writes the layout OUT and returns the manifest's digest.

    builder    deb.Builder, which lays out the program
    worker     contents.Package of the worker
    """
    tree = out.with_name(out.name + ".tree")
    run("rm", "-rf", tree)
    try:
        builder.lay(worker, tree)
        program = tree / "usr/bin/ensconce-worker"
        engine = {file.target for file in ENGINE}
        system, listed = of_debian(closure(program, tree / LIBRARY_FOLDER), tree)
        docs = "usr/share/doc/ensconce-worker"
        system.append(oci.Entry(f"{docs}/libraries.txt", "".join(listed).encode()))
        own = [entry(tree, path) for path in sorted(engine)]
        # Of the package what a container needs: no unit, no account file, no example.
        rest = [entry(tree, str(path.relative_to(tree))) for path in sorted(tree.rglob("*"))
                if path.is_file() and str(path.relative_to(tree)) not in engine
                and (path == program or (tree / docs) in path.parents
                     and (tree / docs / "examples") not in path.parents)]
        rest += [oci.Entry("etc/passwd", PASSWD.encode()), oci.Entry("etc/group", GROUP.encode()),
                 oci.Entry("etc/nsswitch.conf", b"hosts: files dns\n"),
                 oci.Entry("etc/ensconce"), oci.Entry("var/lib/ensconce-worker")]
        labels = {"org.opencontainers.image.title": "ensconce-worker",
                  "org.opencontainers.image.description":
                      "Serves sealed models from inside a secure processor",
                  "org.opencontainers.image.version": version,
                  "org.opencontainers.image.licenses": "Apache-2.0"}
        if commit:
            labels["org.opencontainers.image.revision"] = commit
        config = {"User": f"{USER}:{USER}",
                  "Entrypoint": ["/usr/bin/ensconce-worker"],
                  "Cmd": ["--config", "/etc/ensconce/worker.toml"],
                  "Env": ["PATH=/usr/bin"],
                  "WorkingDir": "/",
                  "ExposedPorts": {"8443/tcp": {}},
                  "StopSignal": "SIGTERM"}
        return oci.Layout(out).finish([system, own, rest], config, labels, version, architecture,
                                      epoch)
    finally:
        run("rm", "-rf", tree)


def entry(tree, path):
    source = tree / path
    return oci.Entry(path, source, mode=0o755 if source.stat().st_mode & 0o100 else 0o644)


def of_debian(libraries, tree):
    """Entries of the libraries that Debian has, with their notices, and a line about each."""
    entries = [oci.Entry("lib", link="usr/lib"), oci.Entry("lib64", link="usr/lib64")]
    listed, notices = [], {}
    for soname, path in sorted(libraries.items()):
        if tree in path.resolve().parents:
            continue
        package, version = owner(path)
        real = path.resolve()
        entries.append(oci.Entry(f"{LIBRARIES}/{soname}", real, mode=0o755))
        listed.append(f"{hashlib.sha256(real.read_bytes()).hexdigest()}  {soname}  {package} "
                      f"{version}\n")
        notices[package] = pathlib.Path("/usr/share/doc") / package / "copyright"
    entries.append(oci.Entry("usr/lib64/ld-linux-x86-64.so.2",
                             link="../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"))
    for package, notice in sorted(notices.items()):
        if not notice.is_file():
            raise PackageError(f"{notice} is missing: who hands on a library hands on its notice")
        entries.append(oci.Entry(f"usr/share/doc/{package}/copyright", notice.resolve()))
    return entries, listed
