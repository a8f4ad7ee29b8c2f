"""Folders of small files, told by their names."""

from pathlib import Path


def write_tree(root, *names, content=b"image"):
    """Writes files; a name that ends in a slash is an empty folder."""
    for name in names:
        path = Path(root, name)
        if name.endswith("/"):
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Path(root)


def write_classes(root, counts):
    """`<root>/<class>/<number>.jpg`, each of other content, so many of each class."""
    for name, count in counts.items():
        Path(root, name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Path(root, name, f"{number:04d}.jpg").write_bytes(f"{name} {number}".encode())
    return Path(root)
