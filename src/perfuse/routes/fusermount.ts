import { existsSync, realpathSync } from "node:fs";
import { closeDescriptor } from "../../../ffi/device.ts";
import { acceptSeqpacket, listenSeqpacket } from "../../../ffi/seqpacket.ts";
import { sendDescriptor } from "../../../ffi/socket.ts";
import { Waiter } from "../../../ffi/waiter.ts";
import { selfCommand } from "../../self.ts";
import { makePrivateDirectory } from "./directory.ts";
import type { Passage, PassageContext } from "./passage.ts";
import { FUSERMOUNT } from "./words.ts";

/**
 * A daemon that may not mount asks fusermount, and there it meets us. It runs in a mount namespace of its own, with our fusermount in
 * the place of the system's, and without CAP_SYS_ADMIN. An ordinary user's namespace is one of users too, in which there is
 * but the user: the files of others look like nobody's there.
 */
export function fusermountPassage({ socket, goFuse, successorOn }: PassageContext): Passage {
  const directory = makePrivateDirectory({ goFuse });
  const { path, mountpoint } = directory;
  const rendezvous = directory.expect("socket");
  // Of another place than the mount: the helper has no environment to be told by.
  const script = `#!/bin/sh\nexec ${[...selfCommand(), FUSERMOUNT, rendezvous].map(quoted).join(" ")} "$@"\n`;
  const [helper = ""] = NAMES.map((name) => directory.write(name, script, 0o700));
  let listener: number | undefined = listenSeqpacket(rendezvous);
  const waiter = new Waiter();
  const end = () => {
    if (listener === undefined) return;
    waiter.close();
    closeDescriptor(listener);
    closeDescriptor(socket);
    listener = undefined;
  };
  const listen = (at: number) => waiter.wait([at], () => answer(at));
  const answer = (at: number) => {
    if (listener === undefined) return;
    const caller = acceptSeqpacket(at);
    if (caller === null) return listen(at);
    try {
      sendDescriptor(caller, socket);
      end();
    } catch {
      // It went away before it was served: the daemon may ask once more.
      listen(at);
    } finally {
      closeDescriptor(caller);
    }
  };
  return {
    mountpoint,
    before: [
      ...namespace(),
      "sh",
      "-c",
      ENTER,
      "sh",
      successorOn ?? "",
      helper,
      ...standIns(),
      "--",
    ],
    environment: { PATH: `${path}:${process.env.PATH || DEFAULT_PATH}` },
    inherits: false,
    filter: {},
    started() {
      if (listener !== undefined) listen(listener);
    },
    forsaken: end,
    close() {
      end();
      directory.remove();
    },
  };
}

const NAMES = ["fusermount3", "fusermount"] as const;
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** The program's arguments follow. mount(8) and setpriv(1) have no capabilities of an ordinary user's but the ambient ones. */
function namespace(): string[] {
  const own = process.geteuid?.() === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"];
  // What is unmounted outside is unmounted inside: else it would stay busy for as long as the daemon lives.
  return ["/usr/bin/env", "unshare", ...own, "--mount", "--propagation", "slave", "--"];
}

/** Where the libraries, and mergerfs' own, look for a fusermount before they look along PATH, as far as there is one. */
function standIns(): string[] {
  const paths = ["/usr/bin", "/bin", "/usr/local/bin"].flatMap((folder) =>
    [...NAMES, "mergerfs-fusermount"].map((name) => `${folder}/${name}`),
  );
  return [...new Set(paths.filter(existsSync).map((path) => realpathSync(path)))];
}

// Where nothing propagates, what is served already must be left behind by hand. Any device that opens will do: what counts is that mounting is refused with EPERM (libfuse lib/mount.c).
const ENTER = `
if [ "$1" ]; then umount --lazy -- "$1" 2>/dev/null; fi
helper=$2
shift 2
while [ "$1" != -- ]; do
  mount --bind -- "$helper" "$1" || exit
  shift
done
shift
if [ -e /dev/fuse ]; then mount --bind /dev/null /dev/fuse || exit; fi
if [ "$(id -u)" = 0 ]; then set -- --bounding-set=-sys_admin --inh-caps=-sys_admin -- "$@"
else set -- --ambient-caps=-all --inh-caps=-all -- "$@"; fi
exec setpriv --pdeathsig TERM "$@"
`;

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
