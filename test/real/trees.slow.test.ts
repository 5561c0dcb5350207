import { expect } from "bun:test";
import { onMemfs, type Place, withScratch } from "./support.ts";

/** 10,000 files of up to some 12 KB in 200 directories, with links of both kinds, modes and times of their own. */
const MAKE_TREE = `
  for d in $(seq 0 199); do echo tree/$((d % 10))/$d; done | xargs mkdir -p
  awk 'BEGIN {
    while (length(text) < 20000) text = text "line " n++ "\\n"
    for (d = 0; d < 200; d++) for (f = 0; f < 50; f++) {
      file = sprintf("tree/%d/%d/file-%d", d % 10, d, f)
      printf "%s", substr(text, 1 + f, (d * 211 + f * 397) % 12000) >file
      close(file)
    }
  }'
  for directory in tree/*/*; do ln -s file-0 $directory/soft; done
  ln tree/1/1/file-10 tree/2/2/hard
  find tree -type f -name 'file-1*' -exec chmod 750 {} +
  touch -d '2002-03-04 05:06:07.89' tree/3/3/file-3 tree/4
`;

const programs = ["tar", "rsync", "diff"];
const options = { programs, options: "size=1g", seconds: 120 };
const slowly = { timeout: 60 };

async function count(place: Place, directory: string): Promise<number> {
  return Number(await place.sh(`find ${directory} -type f | wc -l`, slowly));
}

onMemfs("tar takes a tree of 10,000 files out and in again", options, (place) =>
  withScratch(async (scratch) => {
    await place.sh(MAKE_TREE, slowly);
    expect(await count(place, "tree")).toBe(10_001);
    await place.sh(`tar --create --file ${scratch.path}/tree.tar tree`, slowly);
    await scratch.sh("tar --extract --file tree.tar", slowly);
    expect(await count(scratch, "tree")).toBe(10_001);
    await scratch.sh(`diff --recursive --no-dereference tree ${place.path}/tree`, slowly);

    await place.sh(
      `mkdir back && tar --extract --file ${scratch.path}/tree.tar --directory back`,
      slowly,
    );
    // Contents, sizes, modes, owners, times of files, links.
    await place.sh(`tar --compare --file ${scratch.path}/tree.tar --directory back`, slowly);
    await place.sh("diff --recursive --no-dereference tree back/tree", slowly);
    await place.sh("rm -r tree back", slowly);
    expect(await place.sh("ls -A; df --block-size=1 --output=used . | tail -n 1 | xargs")).toBe(
      "0\n",
    );
  }),
);

onMemfs("a second rsync has nothing to do", options, (place) =>
  withScratch(async (scratch) => {
    await scratch.sh(MAKE_TREE, slowly);
    const rsync = (from: string, to: string) =>
      place.sh(
        `rsync --archive --hard-links --xattrs --delete --itemize-changes --stats ${from} ${to}`,
        slowly,
      );
    const [disk, here] = [`${scratch.path}/tree/`, `${place.path}/tree/`];
    const transferred = /files transferred: ([\d,]+)/;

    expect((await rsync(disk, here)).match(transferred)?.[1]).toBe("10,000");
    const second = await rsync(disk, here);
    expect(second.match(transferred)?.[1]).toBe("0");
    // One line for each thing that differs would come before the statistics.
    expect(second.trimStart()).toStartWith("Number of files:");

    await place.sh("printf more >>tree/0/0/file-7; rm tree/1/1/file-1; chmod 600 tree/2/2/file-2");
    const back = await rsync(here, disk);
    const changed = [...back.matchAll(/^(?:[<>ch.]\S+|\*deleting) +(\S+)$/gm)].map(
      ([, name]) => name,
    );
    expect(changed.sort()).toEqual(["0/0/file-7", "1/1/", "1/1/file-1", "2/2/file-2"]);
    await scratch.sh(`diff --recursive --no-dereference tree ${here}`, slowly);
    // The checksums of everything, whatever times and sizes say.
    expect(
      await place.sh(`rsync --archive --checksum --itemize-changes ${here} ${disk}`, slowly),
    ).toBe("");
  }),
);
