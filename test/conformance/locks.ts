import { type Descriptor, O_CREAT, O_RDWR } from "../support/client.ts";
import { fails, type Ground, type Subject, using } from "./case.ts";

/** Two opens of one file. */
function twice({ client, at }: Ground, run: (one: Lockable, other: Lockable) => Promise<void>) {
  const open = () => client.open(at("f"), O_CREAT | O_RDWR);
  return using(open(), (one) => using(open(), (other) => run(lockable(one), lockable(other))));
}

type Lockable = Required<Descriptor>;

function lockable(file: Descriptor): Lockable {
  if (file.lock === undefined || file.flock === undefined)
    throw new Error("a client without locks");
  return file as Lockable;
}

export const locks: Subject = {
  name: "locks",
  needs: ["write", "kernel"],
  cases: {
    "of bytes: readers share, a writer is alone": (ground) =>
      twice(ground, async (one, other) => {
        await one.lock("read", 0, 10);
        await other.lock("read", 5, 10);
        await fails(other.lock("write", 5, 10), "EAGAIN", "EACCES");
        await one.lock("unlock", 0, 10);
        await other.lock("write", 5, 10);
        await fails(one.lock("read", 0, 6), "EAGAIN", "EACCES");
        await one.lock("read", 0, 5);
      }),
    "of bytes: ranges beside each other do not meet": (ground) =>
      twice(ground, async (one, other) => {
        await one.lock("write", 0, 10);
        await other.lock("write", 10, 0);
        await fails(one.lock("write", 1_000_000, 1), "EAGAIN", "EACCES");
        await fails(other.lock("write", 9, 1), "EAGAIN", "EACCES");
      }),
    "of bytes: a hole in a lock": (ground) =>
      twice(ground, async (one, other) => {
        await one.lock("write", 0, 100);
        await one.lock("unlock", 40, 20);
        await other.lock("write", 40, 20);
        await fails(other.lock("write", 39, 1), "EAGAIN", "EACCES");
        await fails(other.lock("write", 60, 1), "EAGAIN", "EACCES");
      }),
    "of bytes: end with the open": async (ground) => {
      await twice(ground, (one) => one.lock("write", 0, 0));
      await twice(ground, (one) => one.lock("write", 0, 0));
    },
    "flock: readers share, a writer is alone": (ground) =>
      twice(ground, async (one, other) => {
        await one.flock("read");
        await other.flock("read");
        await fails(other.flock("write"), "EAGAIN");
        await one.flock("unlock");
        await other.flock("write");
        await fails(one.flock("read"), "EAGAIN");
      }),
    "flock: ends with the open": async (ground) => {
      await twice(ground, (one) => one.flock("write"));
      await twice(ground, (one) => one.flock("write"));
    },
    "flock and locks of bytes do not meet": (ground) =>
      twice(ground, async (one, other) => {
        await one.flock("write");
        await other.lock("write", 0, 0);
      }),
  },
};
