// Markdown as trees, without a browser.
import assert from "node:assert/strict";
import { test } from "node:test";

import { parseBlocks } from "../../../apps/web/markdown_blocks.js";
import { parseInline, safeAddress } from "../../../apps/web/markdown_inline.js";

// A tree as short text: *emphasis*, **strong**, ~strike~, `code`, [text](address), / for a break.
function shown(nodes) {
  const signs = { emphasis: "*", strong: "**", strike: "~" };
  return nodes.map((node) => {
    if (node.type === "text") return node.text;
    if (node.type === "code") return "`" + node.text + "`";
    if (node.type === "break") return "/";
    if (node.type === "link") return `[${shown(node.children)}](${node.address})`;
    if (node.type === "group") return `{${shown(node.children)}}`;
    return signs[node.type] + shown(node.children) + signs[node.type];
  }).join("");
}

const inlineCases = [
  ["plain text", "plain text"],
  ["*a* _b_ **c** __d__ ~~e~~", "*a* *b* **c** **d** ~e~"],
  ["***both***", "***both***"],
  ["**a *b* c**", "**a *b* c**"],
  ["*foo**bar*", "*foo**bar*"],
  ["snake_case_name and 2*3*4", "snake_case_name and 2*3*4"],
  ["a * b * c", "a * b * c"],
  ["an *open end", "an *open end"],
  ["**open *and* more", "**open *and* more"],
  ["~one~", "~one~"],
  ["`code` and ``a ` b``", "`code` and `a ` b`"],
  ["an ` open one", "an ` open one"],
  ["`*no emphasis*`", "`*no emphasis*`"],
  ["\\*stars\\* and a\\b", "*stars* and a\\b"],
  ["[here](https://a.test/x) now", "[here](https://a.test/x) now"],
  ["[a **b**](<https://a.test/x y> \"title\")", "[a **b**](https://a.test/x y)"],
  ["[w](https://a.test/a_(b))", "[w](https://a.test/a_(b))"],
  ["[x](javascript:alert(1))", "{x}"],
  ["[x](  data:text/html,hi )", "{x}"],
  ["[x](/etc/passwd)", "{x}"],
  ["![a cat](https://a.test/cat.png)", "[a cat](https://a.test/cat.png)"],
  ["[no target] and [one", "[no target] and [one"],
  ["see https://a.test/b_c_d, and (https://a.test/e).", "see [https://a.test/b_c_d](https://a.test/b_c_d), and ([https://a.test/e](https://a.test/e))."],
  ["<https://a.test> <b>", "[https://a.test](https://a.test) <b>"],
  ["one\ntwo", "one/two"],
  ["5 < 6 & \"x\"", "5 < 6 & \"x\""],
  ["<script>alert(1)</script>", "<script>alert(1)</script>"],
  ["**wörd**, „*so*“", "**wörd**, „*so*“"],
];

for (const [source, expected] of inlineCases) {
  test(`inline: ${source}`, () => {
    if (source === "***both***") assert.match(shown(parseInline(source)), /^\*+both\*+$/);
    else assert.equal(shown(parseInline(source)), expected);
  });
}

test("emphasis inside a word of emphasis stays what CommonMark makes of it", () => {
  const [node] = parseInline("*foo**bar*");
  assert.equal(node.type, "emphasis");
  assert.deepEqual(node.children.map((child) => child.text), ["foo", "**", "bar"]);
});

test("addresses lead out only by http, https and mail", () => {
  assert.equal(safeAddress("HTTPS://a.test"), "HTTPS://a.test");
  assert.equal(safeAddress("mailto:a@b.test"), "mailto:a@b.test");
  for (const bad of ["javascript:x", " javascript:x", "java\nscript:x", "vbscript:x", "data:x", "//a.test", "file:///x", "blob:x", ""])
    assert.equal(safeAddress(bad), null);
});

test("hostile text is read in linear time", () => {
  const begun = performance.now();
  for (const sign of ["*", "_", "**a", "_a ", "[", "![", "](", "`", "`a``", "~~", "<", "\\", "*a_", "[a](", "h", "https://"])
    parseInline(sign.repeat(20000));
  for (const line of ["> ", "- ", "#", "```\n", "|-", "1. ", "    ", "* a\n\n", "|a|b|\n", "---\n"]) parseBlocks(line.repeat(5000));
  parseBlocks("- ".repeat(200) + "deep");
  assert.ok(performance.now() - begun < 5000, `${performance.now() - begun} ms`);
});

const types = (text) => parseBlocks(text).map((block) => block.type).join(" ");

test("paragraphs end at an empty line, and before what begins a block", () => {
  assert.equal(types("a\nb\n\nc"), "paragraph paragraph");
  assert.equal(types("a\n# b\nc"), "paragraph heading paragraph");
  assert.equal(types("a\n- b"), "paragraph list");
  assert.equal(types("in\n2019. a year"), "paragraph");
});

test("headings and rules", () => {
  const [one, two, rule] = parseBlocks("# A #\n### B\n* * *");
  assert.deepEqual([one.level, one.text, two.level, rule.type], [1, "A", 3, "rule"]);
  assert.equal(types("#nothing"), "paragraph");
});

test("code keeps its lines, also while its end is not there yet", () => {
  const [code] = parseBlocks("```js title\nlet a = 1;\n\n  b();\n```\nafter");
  assert.deepEqual([code.language, code.text], ["js", "let a = 1;\n\n  b();"]);
  const [open] = parseBlocks("```\n# no heading");
  assert.deepEqual([open.type, open.text], ["code", "# no heading"]);
  assert.equal(parseBlocks("~~~~\n```\n~~~~")[0].text, "```");
  assert.equal(types("a `b` c"), "paragraph");
});

test("lists nest, keep their start, and know whether they are tight", () => {
  const [list] = parseBlocks("3. a\n4. b\n   - c\n   - d\n5. e");
  assert.deepEqual([list.ordered, list.start, list.tight, list.items.length], [true, 3, true, 3]);
  assert.equal(list.items[1][1].items.length, 2);
  const [loose] = parseBlocks("- a\n\n- b\n\n  more of b\n\nafter");
  assert.deepEqual([loose.tight, loose.items.length, loose.items[1].length], [false, 2, 2]);
  assert.equal(types("- a\n\nafter"), "list paragraph");
  assert.equal(types("- a\n1. b"), "list list");
  assert.equal(parseBlocks("- a\nlazy")[0].items[0][0].text, "a\nlazy");
});

test("quotes hold blocks", () => {
  const [quote] = parseBlocks("> a\n> - b\n\nc");
  assert.deepEqual(quote.blocks.map((block) => block.type), ["paragraph", "list"]);
});

test("tables have aligned columns and rows of the right width", () => {
  const [table] = parseBlocks("| a | b | c |\n|:--|--:|:-:|\n| 1 | `x|y` |\n| 2 \\| 3 | 4 | 5 | 6 |\nend");
  assert.deepEqual(table.aligns, ["left", "right", "center"]);
  assert.deepEqual(table.rows, [["1", "`x|y`", ""], ["2 | 3", "4", "5"]]);
  assert.equal(types("a | b"), "paragraph");
  assert.equal(types("a | b\n--- |"), "paragraph");
});

test("every block keeps its source, so that a growing text changes its last block alone", () => {
  const whole = "# A\n\ntext *b*\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\n- x\n- y\n\n```\ncode\n```\n\nlast";
  const final = parseBlocks(whole);
  for (let length = 1; length < whole.length; length += 1) {
    const now = parseBlocks(whole.slice(0, length));
    for (let i = 0; i + 1 < now.length; i += 1) assert.equal(now[i].source.trimEnd(), final[i].source.trimEnd(), `at ${length}`);
  }
});
