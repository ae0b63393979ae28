// The page's files, and the list of those that become part of the program.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const root = new URL("../../../", import.meta.url);

test("every file of the page is part of the program", () => {
  const list = /set\(page_paths\s([^)]*)\)/.exec(readFileSync(new URL("apps/server/CMakeLists.txt", root), "utf8"))[1];
  const files = readdirSync(new URL("apps/web/", root), { recursive: true }).filter((path) => /\.(html|css|js|svg)$/.test(path));
  assert.deepEqual(list.trim().split(/\s+/).sort(), files.sort());
});
