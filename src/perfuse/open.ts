/** What perfuse_mount(3) is told. */
export interface PerfuseMounting {
  /** What `perfuseOpen` answered. */
  readonly socket: number;
  /** The directory to mount on. */
  readonly target: string;
  /** What is mounted, as mount(8) shows it. Left out: /dev/fuse. */
  readonly source?: string | undefined;
  /** The kind of file system, shown as `fuse.TYPE` on Linux and `perfuse|TYPE` on NetBSD. Left out: perfuse. */
  readonly type?: string | undefined;
  /**
   * NetBSD's MNT_*: 1 read-only, 2 synchronous, 4 no programs, 0x4000000 access times are not kept. Set-user-ID bits and devices
   * have no effect anyway. Left out: 0.
   */
  readonly flags?: number | undefined;
  /**
   * Words separated by commas: `allow_other`, `default_permissions`, `max_read=N` and, of root's, `suid` and `dev` have a
   * meaning for perfused, others none.
   */
  readonly data?: string | undefined;
}

/**
 * Opens the way to be a FUSE daemon (perfuse_open(3)): for "/dev/fuse" a socket to perfused, over which a program of its own answers the
 * requests of the FUSE protocol, a message each, after `perfuseMount`. If nobody listens at perfused's address (PERFUSED_SOCKET) a
 * perfused is started for this daemon alone, with the rights of this process. PERFUSE_BUFSIZE is how long messages may be.
 *
 * Any other path is opened as open(2) does, with these flags. Rejects with an error that has a `code`.
 */
export async function perfuseOpen(path: string, flags: number): Promise<number> {
  // Loaded when it is asked for: every plugin would wait for it.
  const { openDaemon } = await import("./client.ts");
  return openDaemon(path, flags);
}

/**
 * Asks perfused to mount (perfuse_mount(3)). It says nothing to that: the mount is made once the daemon has answered INIT, the first
 * request; if it is refused the socket ends. Rejects with an error that has a `code`: EINVAL for a text with a NUL, EPIPE if perfused has
 * gone.
 */
export async function perfuseMount(mounting: PerfuseMounting): Promise<void> {
  const { mountDaemon } = await import("./client.ts");
  mountDaemon(mounting);
}
