/*
 * The network file system as a program: `program.ts SOCKET DIRECTORY FLAG...`. It says when it is mounted, each operation if it is
 * to, and how it ended.
 */
import { once } from "node:events";
import { writeSync } from "node:fs";
import { connect } from "node:net";
import { type PuffsFlag, unmountOnSignal } from "puffs";
import { netfs } from "./netfs.ts";

const [path = "", directory = "", ...flags] = process.argv.slice(2);
const say = (what: string) => writeSync(1, `${what}\n`);

const socket = connect(path);
await once(socket, "connect");
const log = { info: say, warn: say, error: say };
const server = await netfs(socket, flags as PuffsFlag[], log);
unmountOnSignal("SIGTERM");
await server.mount(directory, { options: "allow_other" });
say("mounted");
const { reason } = await server.mainloop();
const { began, ended } = server.specific;
say(`${reason} ${server.state}, all that began ended: ${began === ended && began > 0}`);
process.exit(reason === "unmounted" ? 0 : 1);
