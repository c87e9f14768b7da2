"""The part of util-linux's libmount that the tests use: Debian does not package its Python binding."""


class _Mount:
    def __init__(self, vfs_options, fs_options):
        self.vfs_options = vfs_options
        self.fs_options = fs_options


class Table:
    """A file in the form of /proc/self/mountinfo (proc(5))."""

    def __init__(self, path):
        self._by_target = {}
        with open(path) as lines:
            for line in lines:
                fields = line.split()
                if "-" in fields:
                    self._by_target[fields[4]] = _Mount(fields[5], fields[fields.index("-") + 3])

    def find_target(self, target):
        return self._by_target[target]
