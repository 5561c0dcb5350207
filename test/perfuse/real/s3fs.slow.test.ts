import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { serveBucket } from "./s3.ts";
import { ROOT_ROUTE, readWrite, scratch, sh, through, withPrograms } from "./support.ts";

for (const route of ["seccomp", "fusermount"])
  withPrograms(`s3fs on a bucket of this machine, route=${route}`, ["s3fs"], async () => {
    await using on = scratch();
    using bucket = serveBucket("bucket");
    writeFileSync(on.at("password"), "name:secret\n", { mode: 0o600 });
    const options = `passwd_file=${on.at("password")},url=${bucket.url},use_path_request_style`;
    const command = ["s3fs", "bucket", "{}", "-f", "-o", options];
    await through(on, command, `${ROOT_ROUTE},route=${route}`, async (m) => {
      await readWrite(m);
      await sh(
        m.directory,
        "mkdir d && seq 100000 > d/name && mv d/name d/file && chmod 600 d/file",
      );
    });
    expect(Buffer.from(bucket.content("d/file") ?? []).toString()).toBe(await on.sh("seq 100000"));
    await through(on, command, ROOT_ROUTE, async (m) => {
      expect(await sh(m.directory, "ls d; stat -c %a d/file; seq 100000 | cmp - d/file")).toBe(
        "file\n600\n",
      );
    });
  });
