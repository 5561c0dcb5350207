import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { run } from "../../support/program.ts";
import { ROOT_ROUTE, scratch, sh, through, withPrograms } from "./support.ts";

/*
 * Daemons of one's own in Python, by each library that the distribution has.
 */

const PYTHON = "/usr/bin/python3";

for (const [library, route] of [
  ["pyfuse3", "auto"],
  ["llfuse", "auto"],
  ["llfuse", "fusermount"],
] as const)
  withPrograms(`a daemon of ${library}, route=${route}`, [PYTHON], async () => {
    await using on = scratch();
    writeFileSync(on.at("hello.py"), library === "pyfuse3" ? PYFUSE3 : LLFUSE);
    const options = `${ROOT_ROUTE},route=${route}`;
    await through(on, [PYTHON, on.at("hello.py"), "{}"], options, async (m) => {
      expect(await sh(m.directory, "ls -1; cat hello")).toBe("hello\nhello\n");
      expect((await run(["cat", `${m.directory}/none`])).stderr).toContain("No such file");
    });
  });

withPrograms("a daemon of fusepy, started by its own first line", [PYTHON], async () => {
  await using on = scratch();
  writeFileSync(on.at("memory"), FUSEPY, { mode: 0o755 });
  await through(on, [on.at("memory"), "{}"], ROOT_ROUTE, async (m) => {
    const said = await sh(
      m.directory,
      "seq 50000 > a && mv a b && seq 50000 | cmp - b && ls; rm b; ls",
    );
    expect(said).toBe("b\n");
  });
});

const PYFUSE3 = `
import errno, stat, sys
import pyfuse3, trio

class Hello(pyfuse3.Operations):
    async def getattr(self, inode, ctx=None):
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        entry.st_size = 0 if inode == 1 else 6
        return entry
    async def lookup(self, parent, name, ctx=None):
        if name != b"hello":
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(2)
    async def opendir(self, inode, ctx):
        return inode
    async def readdir(self, handle, start, token):
        if start == 0:
            pyfuse3.readdir_reply(token, b"hello", await self.getattr(2), 1)
    async def open(self, inode, flags, ctx):
        return pyfuse3.FileInfo(fh=inode)
    async def read(self, handle, offset, size):
        return b"hello\\n"[offset:offset + size]

pyfuse3.init(Hello(), sys.argv[1], set(pyfuse3.default_options))
try:
    trio.run(pyfuse3.main)
finally:
    pyfuse3.close(unmount=False)
`;

const LLFUSE = `
import errno, stat, sys
import llfuse

class Hello(llfuse.Operations):
    def getattr(self, inode, ctx=None):
        entry = llfuse.EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = stat.S_IFDIR | 0o755 if inode == 1 else stat.S_IFREG | 0o644
        entry.st_size = 0 if inode == 1 else 6
        return entry
    def lookup(self, parent, name, ctx=None):
        if name != b"hello":
            raise llfuse.FUSEError(errno.ENOENT)
        return self.getattr(2)
    def opendir(self, inode, ctx):
        return inode
    def releasedir(self, handle):
        pass
    def readdir(self, handle, start):
        if start == 0:
            yield b"hello", self.getattr(2), 1
    def open(self, inode, flags, ctx):
        return inode
    def read(self, handle, offset, size):
        return b"hello\\n"[offset:offset + size]

llfuse.init(Hello(), sys.argv[1], set(llfuse.default_options))
try:
    llfuse.main(workers=1)
finally:
    llfuse.close(unmount=False)
`;

const FUSEPY = `#!${PYTHON}
import errno, stat, sys
from fusepy import FUSE, FuseOSError, Operations

class Memory(Operations):
    def __init__(self):
        self.files = {}
    def getattr(self, path, handle=None):
        if path == "/":
            return dict(st_mode=stat.S_IFDIR | 0o755, st_nlink=2)
        if path not in self.files:
            raise FuseOSError(errno.ENOENT)
        return dict(st_mode=stat.S_IFREG | 0o644, st_nlink=1, st_size=len(self.files[path]))
    def readdir(self, path, handle):
        return [".", ".."] + [name[1:] for name in self.files]
    def create(self, path, mode, info=None):
        self.files[path] = b""
        return 0
    def read(self, path, size, offset, handle):
        return self.files[path][offset:offset + size]
    def write(self, path, data, offset, handle):
        old = self.files[path]
        self.files[path] = old[:offset].ljust(offset, b"\\0") + data + old[offset + len(data):]
        return len(data)
    def truncate(self, path, length, handle=None):
        self.files[path] = self.files[path][:length].ljust(length, b"\\0")
    def rename(self, old, new):
        self.files[new] = self.files.pop(old)
    def unlink(self, path):
        del self.files[path]

FUSE(Memory(), sys.argv[1], foreground=True)
`;
