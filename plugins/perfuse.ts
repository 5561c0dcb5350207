import { definePlugin, type FileSystem, hostCommand, type PerfuseNode } from "puffs";

/** The file system of a FUSE daemon, whoever wrote it: sshfs, squashfuse and their like. */
export default definePlugin({
  name: "perfuse",
  description: "the file system of a FUSE daemon, which is started for it",
  command: {
    description: "the daemon, in the foreground, with {} where it takes its mount point",
  },
  options: {
    daemon: {
      type: "string",
      description: "the command in one option, for fstab: words between blanks",
    },
    route: {
      type: "choice",
      choices: ["auto", "fd", "fusermount", "seccomp"],
      default: "auto",
      description: "how the daemon gets its socket",
    },
    minor: {
      type: "integer",
      min: 12,
      max: 45,
      description: "the protocol offered to it is 7.N; 13, or what the daemon insists on",
    },
    maxread: { type: "size", min: 4096, max: 2 ** 20, description: "longest read asked of it" },
    access: {
      type: "boolean",
      description: "it is asked who may do what; else modes and owners decide",
    },
    creat: {
      type: "boolean",
      default: true,
      description: "files are made by CREATE where it knows that; else by MKNOD and OPEN",
    },
    patience: {
      type: "integer",
      min: 1,
      max: 86400,
      default: 30,
      description: "seconds until it must begin to serve",
    },
    restart: {
      type: "boolean",
      description: "when it dies it is started again; else the mount ends",
    },
  },
  start({ command, options, usermount, log }): Promise<FileSystem<PerfuseNode>> {
    const words = options.daemon?.split(/\s+/).filter((word) => word !== "");
    if (command !== undefined && words !== undefined)
      throw new Error("there are two commands: leave out -o daemon or what follows --");
    const { route, minor, maxread, access, creat, patience, restart } = options;
    return hostCommand({
      command: command ?? words ?? [],
      usermount,
      log,
      route: route === "auto" ? undefined : route,
      minor,
      maxRead: maxread,
      access,
      create: creat,
      patience: patience * 1000,
      restart,
    });
  },
});
