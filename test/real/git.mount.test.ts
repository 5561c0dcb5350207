import { expect } from "bun:test";
import { onMemfs } from "./support.ts";

/** Git without anybody's configuration. */
const env = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_SYSTEM: "/dev/null",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.org",
};

onMemfs(
  "git clones, commits, repacks and finds nothing broken",
  { programs: ["git"] },
  async (place) => {
    await place.sh(
      `git init --quiet --initial-branch=main origin
     cd origin
     for i in $(seq 40); do mkdir -p d$i && seq $((i * 50)) > d$i/numbers; done
     ln -s d1/numbers link
     git add .
     git commit --quiet -m first`,
      { env },
    );
    await place.sh("git clone --quiet --no-hardlinks origin copy", { env });
    const counted = await place.sh(
      `cd copy
     seq 5 > d1/numbers
     git mv d2/numbers d2/renamed
     git rm --quiet d3/numbers
     git commit --quiet -am second
     git gc --quiet --prune=now
     git fsck --full --strict
     git status --porcelain
     git push --quiet origin main:other
     git -C ../origin fsck --full --strict
     git rev-list --all --count`,
      { env },
    );
    expect(counted).toBe("2\n");
    expect(await place.sh("cd copy && git diff --stat HEAD~1 | tail -1", { env })).toBe(
      " 3 files changed, 45 deletions(-)\n".replace("45", String(45 + 150)),
    );
  },
);
