import { expect } from "bun:test";
import { onMemfs } from "./support.ts";

/**
 * What fio(1) writes and then reads back, block by block, each with the checksum and the place in it that tell a wrong
 * block from a right one.
 */
const JOBS: Readonly<Record<string, string>> = {
  "sequential, whole megabytes": "--rw=write --bs=1m --ioengine=psync",
  "random, pages, several jobs": "--rw=randwrite --bs=4k --ioengine=psync --numjobs=4",
  "random, odd sizes": "--rw=randwrite --bsrange=512-70k --bs_unaligned --ioengine=psync",
  "random, mixed reads and writes": "--rw=randrw --bs=8k --ioengine=psync --numjobs=2",
  "random, past the page cache": "--rw=randwrite --bs=4k --ioengine=psync --direct=1",
  "sequential, memory map": "--rw=write --bs=64k --ioengine=mmap",
  "random, memory map, several jobs": "--rw=randwrite --bs=4k --ioengine=mmap --numjobs=2",
  "random, many in flight": "--rw=randwrite --bs=16k --ioengine=libaio --iodepth=16 --direct=1",
};

onMemfs(
  "fio reads back what it wrote",
  { programs: ["fio"], options: "size=512m", seconds: 150 },
  async (place) => {
    for (const [title, job] of Object.entries(JOBS)) {
      const size = "--size=24m --verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=42";
      const { status, stdout, stderr } = await place.run(
        ["fio", "--name=job", "--output-format=terse", ...size.split(" "), ...job.split(" ")],
        { timeout: 60 },
      );
      expect({ title, status, stderr }).toEqual({ title, status: 0, stderr: "" });
      // Of each job a line; its fifth field is the error.
      const errors = stdout
        .trim()
        .split("\n")
        .map((line) => line.split(";")[4]);
      expect(errors.every((error) => error === "0")).toBe(true);
      await place.sh("rm job*");
    }
  },
);
