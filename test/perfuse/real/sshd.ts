import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { until } from "../../support/mounted.ts";
import { folder, type Scratch } from "./support.ts";

/** What the tests with sshfs need. */
export const SSHFS = ["sshfs", "ssh-keygen", "/usr/sbin/sshd"];

/** A server on this machine, with keys and a configuration of its own; its clients are root there. */
export interface Remote extends AsyncDisposable {
  readonly server: ChildProcess;
  /** What the clients see. */
  readonly root: string;
  /** sshfs' command, in the foreground or in the background. */
  command(inForeground: boolean): string[];
}

export async function remote(on: Scratch): Promise<Remote> {
  await on.sh(`ssh-keygen -q -t ed25519 -N "" -f host; ssh-keygen -q -t ed25519 -N "" -f user
               cp user.pub authorized; mkdir -p /run/sshd`);
  const port = await freePort();
  const configuration = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${on.at("host")}`,
    `AuthorizedKeysFile ${on.at("authorized")}`,
    "PermitRootLogin yes",
    "StrictModes no",
    "UsePAM no",
    "PidFile none",
    "Subsystem sftp internal-sftp",
  ];
  writeFileSync(on.at("config"), `${configuration.join("\n")}\n`);
  const server = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", on.at("config")], { stdio: "ignore" });
  const root = folder(on.at("root"));
  chmodSync(root, 0o777);
  const options = [
    `IdentityFile=${on.at("user")}`,
    "UserKnownHostsFile=/dev/null",
    "StrictHostKeyChecking=no",
    "LogLevel=ERROR",
  ];
  await until(() => listens(port), "sshd");
  return {
    server,
    root,
    command: (inForeground) => [
      "sshfs",
      ...(inForeground ? ["-f"] : []),
      ...["-p", String(port), "-F", "/dev/null"],
      ...options.flatMap((option) => ["-o", option]),
      `root@127.0.0.1:${root}`,
      "{}",
    ],
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** By the kernel's list of sockets: a connection would be a client that fails. */
function listens(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return Bun.spawnSync(["grep", "-q", `0100007F:${hex} 00000000:0000 0A`, "/proc/net/tcp"]).success;
}

/** The processes of sshd's that serve a connection. */
export function sessionsOf(pid: number): number[] {
  const { stdout } = Bun.spawnSync(["ps", "-o", "pid=", "--ppid", String(pid)]);
  const children = stdout.toString().split(/\s+/).filter(Boolean).map(Number);
  return children.flatMap((child) => [...sessionsOf(child), child]);
}
