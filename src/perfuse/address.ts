/**
 * Where perfused listens: PERFUSED_SOCKET, or by default /dev/fuse on NetBSD. On Linux that is the kernel's, so there it is a path of
 * perfused's own.
 */
export function perfusedAddress(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  return environment.PERFUSED_SOCKET || (process.platform === "linux" ? OWN_PATH : FUSE_DEVICE);
}

/** What programs open to become a FUSE daemon. */
export const FUSE_DEVICE = "/dev/fuse";

const OWN_PATH = "/run/perfused.sock";
