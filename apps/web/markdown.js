// Markdown of a growing answer as elements. Blocks that did not change keep their elements, so a
// selection in them survives and nothing above the last block moves.

import { copyText } from "./clipboard.js";
import { fill, h, icon } from "./dom.js";
import { parseBlocks } from "./markdown_blocks.js";
import { parseInline } from "./markdown_inline.js";

export class MarkdownView {
  constructor() {
    this.element = h("div", { class: "prose" });
    this.sources = [];
  }

  show(text) {
    const blocks = parseBlocks(text);
    let kept = 0;
    while (kept < blocks.length && blocks[kept].source === this.sources[kept]) kept += 1;
    while (this.element.childNodes.length > kept) this.element.lastChild.remove();
    for (const block of blocks.slice(kept)) this.element.append(elementOf(block));
    this.sources = blocks.map((block) => block.source);
  }
}

function elementOf(block) {
  switch (block.type) {
    case "heading":
      // The page has a heading of its own above the answers.
      return h("h" + Math.min(6, block.level + 2), { class: "level" + block.level }, inline(block.text));
    case "code":
      return codeElement(block);
    case "quote":
      return h("blockquote", {}, block.blocks.map(elementOf));
    case "list":
      return h(block.ordered ? "ol" : "ul",
               { start: block.ordered && block.start !== 1 ? block.start : null },
               block.items.map((blocks) => itemElement(blocks, block.tight)));
    case "table":
      return tableElement(block);
    case "rule":
      return h("hr");
    default:
      return h("p", {}, inline(block.text));
  }
}

function itemElement(blocks, tight) {
  const task = blocks[0]?.type === "paragraph" && blocks[0].text.match(/^\[([ xX])\] ([\s\S]*)$/);
  const content = blocks.map((block, i) => {
    const text = task && i === 0 ? task[2] : block.text;
    return tight && block.type === "paragraph" ? inline(text) : elementOf({ ...block, text });
  });
  if (!task) return h("li", {}, content);
  const box = h("input", { type: "checkbox", disabled: true, checked: task[1] !== " " });
  return h("li", { class: "task" }, box, content);
}

function codeElement({ language, text }) {
  const copy = h("button", { type: "button", class: "quiet small", onclick: async () => {
    await copyText(text);
    fill(copy, "Copied");
    setTimeout(() => fill(copy, icon("copy"), "Copy"), 1500);
  } }, icon("copy"), "Copy");
  return h("figure", { class: "code" },
           h("figcaption", {}, h("span", {}, language || "text"), copy),
           h("pre", { tabindex: "0" }, h("code", {}, text)));
}

function tableElement({ aligns, head, rows }) {
  const cell = (tag) => (text, i) => h(tag, { class: aligns[i], scope: tag === "th" ? "col" : null }, inline(text));
  return h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" },
           h("table", {},
             h("thead", {}, h("tr", {}, head.map(cell("th")))),
             h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell("td")))))));
}

function inline(text) {
  return parseInline(text).map(inlineElement);
}

function inlineElement(node) {
  switch (node.type) {
    case "code": return h("code", {}, node.text);
    case "break": return h("br");
    case "strong": return h("strong", {}, node.children.map(inlineElement));
    case "emphasis": return h("em", {}, node.children.map(inlineElement));
    case "strike": return h("s", {}, node.children.map(inlineElement));
    case "group": return node.children.map(inlineElement);
    case "link":
      return h("a", { href: node.address, target: "_blank", rel: "noopener noreferrer nofollow" },
               node.children.map(inlineElement));
    default: return node.text;
  }
}
