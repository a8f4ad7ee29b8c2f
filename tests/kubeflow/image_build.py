"""Builds the image and runs digits in it where there is no container engine; by hand, as root.

python -m tests.kubeflow.image_build [--variant gpu] [--work DIR] [--no-run]

Debian's buildah builds kubeflow/Dockerfile in a Debian 13 root of its own (debootstrap), on a base
image made of another. What it made is then run as a pod runs it: read-only but for /tmp and HOME,
as a user id that no passwd file knows. It takes ten minutes on two cores, two when done again (GPU:
more), and 16 GB (GPU: 45) below `--work`. Nothing is mounted or left running outside of it.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASE = "docker.io/library/debian:trixie-slim"
CA = Path("/etc/ssl/certs/ca-certificates.crt")
SOURCES = """\
deb http://deb.debian.org/debian trixie main
deb http://deb.debian.org/debian trixie-updates main
deb http://deb.debian.org/debian-security trixie-security main
"""

# Root in a container may raise no limit, and buildah tries.
_ENGINE = "export STORAGE_DRIVER=overlay BUILDAH_ISOLATION=chroot\n"
_BASE_IMAGE = """
buildah inspect --type image {base} > /dev/null 2>&1 && exit  # Another would make the layers anew.
c=$(buildah from scratch) && buildah add --quiet "$c" /base / && buildah config --cmd bash "$c"
buildah commit --quiet --rm "$c" {base}
"""
_BUILD = """
n=$(ulimit -n) u=$(ulimit -u)
digest=$(buildah inspect --type image --format '{{{{.FromImageDigest}}}}' {base})
buildah build --network host --pull=never --layers --ulimit nofile=$n:$n --ulimit nproc=$u:$u \\
  --build-arg BASE_DIGEST=$digest --build-arg COMMIT={commit} --build-arg VARIANT={variant} \\
  -v /trust/ca.crt:/etc/ssl/certs/ca-all.crt:ro -v /trust/pip.conf:/etc/pip.conf:ro \\
  -v /trust/uv.toml:/etc/uv/uv.toml:ro -f /src/kubeflow/Dockerfile -t {image} /src
"""
_RUN = """
m=$(buildah mount $(buildah from --pull=never {image}))
for folder in /opt/bit /; do echo "$folder: $(du -sm "$m$folder" | cut -f 1) MiB"; done
mount --bind "$m" "$m"
mount -t proc proc "$m/proc"; mount --rbind /dev "$m/dev"; mount -o remount,ro,bind "$m"
mount -t tmpfs tmpfs "$m/tmp"; mount -t tmpfs -o mode=0770 tmpfs "$m/home/bit"
chroot --userspec={user} --groups= "$m" env -i {env} sh -euc {command}
"""
_CHECK = """
id; ! touch /opt/bit/x 2>/dev/null; touch "$HOME/x" /tmp/x; cd "$HOME"
python -c 'import tfx.v1, components.trainer.run_fn as f, kubeflow.node; print(f.__file__)'
python /opt/bit/local_runner.py --output /tmp/out
"""


def main() -> int:
    """Exit code 0: it was built, and a model was trained, blessed and pushed in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--work", type=Path, default=Path("/var/tmp/bit-image"))
    parser.add_argument("--no-run", action="store_true", help="build only")
    options = parser.parse_args()
    image = f"localhost/bit:{options.variant}"
    engine = options.work.resolve() / "engine"
    if not (engine / "trust").exists():
        _timed("engine", _make_engine, engine)
    _timed("base image", _inside, engine, _BASE_IMAGE.format(base=BASE))
    commit = _output("git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40")
    build = _BUILD.format(base=BASE, commit=commit, variant=options.variant, image=image)
    _timed("build", _inside, engine, build)
    if not options.no_run:
        _timed("run", _inside, engine, _run_script(engine, image))
    return 0


def _make_engine(engine: Path) -> None:
    """A Debian with buildah, in it another one for the base image, and whom this machine trusts."""
    engine.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(engine, ignore_errors=True)
    _call("debootstrap", "--variant=minbase", "trixie", str(engine))
    (engine / "etc/apt/sources.list").write_text(SOURCES)
    _call("cp", "-a", str(engine), f"{engine}-base")
    (engine / "src").mkdir()
    Path(f"{engine}-base").rename(engine / "base")
    for lists in (engine / "base/var/lib/apt/lists", engine / "base/var/cache/apt"):
        shutil.rmtree(lists, ignore_errors=True)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(f"/etc/{name}", engine / "etc" / name)
        (engine / "base/etc" / name).unlink(missing_ok=True)
    apt = "apt-get update -q && apt-get install -qy --no-install-recommends buildah crun netavark"
    _call("chroot", str(engine), "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", apt)
    trust = engine / "trust.new"
    trust.mkdir(exist_ok=True)
    shutil.copy(CA, trust / "ca.crt")
    (trust / "pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-all.crt\n")
    (trust / "uv.toml").write_text("system-certs = true\n")
    trust.rename(engine / "trust")


def _run_script(engine: Path, image: str) -> str:
    """How a pod starts it: the image's own environment, and an invented user of group 0."""
    told = _inside(engine, f"buildah inspect --type image {image}", capture=True)
    config = json.loads(told)["OCIv1"]["config"]
    for name, value in config["Labels"].items():
        print(f"  {name}: {value}")
    if not config["User"].partition(":")[0].isdecimal():
        raise SystemExit(f"the image's user is {config['User']!r}, which is no number")
    env = " ".join(map(shlex.quote, config["Env"]))
    return _RUN.format(image=image, user="1000660000:0", env=env, command=shlex.quote(_CHECK))


def _inside(engine: Path, script: str, capture: bool = False) -> str:
    """Runs a script in the engine's root; its mounts end with it."""
    root = shlex.quote(str(engine))
    mounts = f"""
mount --bind {root} {root}; mount -t proc proc {root}/proc
mount --rbind /sys {root}/sys; mount --rbind /dev {root}/dev
mount --bind {shlex.quote(str(ROOT))} {root}/src; mount -o remount,ro,bind {root}/src
exec chroot {root} bash -euc {shlex.quote(_ENGINE + script)}
"""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", mounts]
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE if capture else None
    )
    return done.stdout or ""


def _call(*command: str) -> None:
    subprocess.run(command, check=True)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def _timed(name: str, work, *arguments) -> None:
    start = time.monotonic()
    work(*arguments)
    print(f"== {name}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
