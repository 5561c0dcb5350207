import { expect } from "bun:test";
import { compile, onMemfs, withScratch } from "./support.ts";

onMemfs("eight processes append: nothing is torn or lost", { programs: ["cc"] }, (place) =>
  withScratch(async (scratch) => {
    const append = await compile("append.c", scratch);
    expect(await place.sh(`${append} log`)).toBe("whole\n");
  }),
);

onMemfs("64 processes create and rename in one directory", { programs: ["cc"] }, (place) =>
  withScratch(async (scratch) => {
    const churn = await compile("churn.c", scratch);
    // In ten of its 30 rounds each worker leaves the renamed file there.
    expect(await place.sh(churn)).toBe("0 new, 640 renamed, common: some\n");
  }),
);

onMemfs("flock(1) lets one in at a time", { programs: ["flock"] }, async (place) => {
  // Read, wait for another process, add one, write: without the lock most of it gets lost.
  const add = "n=$(cat counter); n=$(expr $n + 1); echo $n >counter";
  await place.sh(
    `all=
     echo 0 >counter
     for i in $(seq 8); do
       { for j in $(seq 10); do flock lock sh -c '${add}'; done; } & all="$all $!"
     done
     for one in $all; do wait $one; done`,
  );
  expect(await place.sh("cat counter")).toBe("80\n");
});

onMemfs("a lock that another holds is refused", { programs: ["flock"] }, async (place) => {
  const held = `
    flock --exclusive file sh -c '
      flock --nonblock --exclusive file true && echo exclusive
      flock --nonblock --shared file true && echo shared
      echo held'
    flock --nonblock --exclusive file echo released
    flock --shared file flock --nonblock --shared file echo together
  `;
  expect(await place.sh(held)).toBe("held\nreleased\ntogether\n");
});
