"""File systems over a local disk that replace a file as clusters' file systems do."""

from pyarrow import fs

LOCAL = fs.LocalFileSystem()


def on_disk(name):
    """Return a handler's method that does on the disk what its name says."""
    return lambda _handler, *arguments: getattr(LOCAL, name)(*arguments)


METHODS = {name: on_disk(name) for name in fs.FileSystemHandler.__abstractmethods__}
METHODS["get_file_info_selector"] = on_disk("get_file_info")
OnDisk = type("OnDisk", (fs.FileSystemHandler,), METHODS)


class DeletesBeforeItRenames(OnDisk):
    """As pyarrow's HDFS: what exists is deleted, and only then renamed over; ``between`` is called in that moment."""

    def __init__(self, between):
        self.between = between

    def move(self, source, target):
        if LOCAL.get_file_info(target).type == fs.FileType.File:
            LOCAL.delete_file(target)
            self.between()
        LOCAL.move(source, target)


class CannotRename(OnDisk):
    """As pyarrow's Azure, for accounts without hierarchical namespaces."""

    def move(self, source, target):
        raise NotImplementedError
