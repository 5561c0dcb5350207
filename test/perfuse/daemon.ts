/*
 * A FUSE daemon as it is linked with libperfuse: memfs, served by our own server over what perfuseOpen answers.
 * `bun daemon.ts TARGET [JSON of a PerfuseMounting's rest]`. Prints "asked" when the frame is sent, "settled"
 * after INIT, "destroyed" after DESTROY and "end" when perfused's end is closed.
 */

import { constants } from "node:fs";
import memfs from "../../plugins/memfs/memfs.ts";
import { FuseProtocol } from "../../src/doors/fuse-protocol.ts";
import { perfuseMount, perfuseOpen } from "../../src/index.ts";
import { parseOptions } from "../../src/options/parse.ts";
import { BARE } from "../support/bare.ts";

const [target = "", rest = "{}"] = process.argv.slice(2);
const report = (message: string) => process.stderr.write(`${message}\n`);

const socket = await perfuseOpen("/dev/fuse", constants.O_RDWR);
await perfuseMount({ socket, target, ...JSON.parse(rest) });
process.stdout.write("asked\n");

const protocol = new FuseProtocol(target);
const { plugin: options } = parseOptions([], memfs.options);
const fileSystem = await memfs.start({
  options: options as Parameters<typeof memfs.start>[0]["options"],
  ...BARE,
  usermount: protocol.usermount,
});
// The answer to the last request ends in the trace, and nowhere else.
const trace = (line: string) => {
  if (line.includes(" DESTROY:")) process.stdout.write("destroyed\n");
};
protocol.open(fileSystem, { trace }, report);
await protocol.serve(socket, {
  ready: () => process.stdout.write("settled\n"),
  warn: report,
  detach: async () => {},
});
process.stdout.write("end\n");
process.exit(0);
