// Lines of Markdown as blocks. Pure. Every block keeps its own source, so that a view of a growing
// answer knows which blocks did not change.

// {type: "paragraph", text}, {type: "heading", level, text}, {type: "code", language, text},
// {type: "quote", blocks}, {type: "list", ordered, start, tight, items: [blocks]},
// {type: "table", aligns, head, rows}, {type: "rule"}; each with `source`.
const kDeepest = 12;

export function parseBlocks(text) {
  return blocksOf(text.replaceAll("\r\n", "\n").replaceAll("\t", "    ").split("\n"), 0);
}

const kFence = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const kHeading = /^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$/;
const kRule = /^ {0,3}([-*_])(?: *\1){2,} *$/;
const kItem = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)(.*)$/;
const kQuote = /^ {0,3}> ?(.*)$/;
const kDivider = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

function blocksOf(lines, depth) {
  const blocks = [];
  for (let at = 0; at < lines.length;) {
    if (!lines[at].trim()) {
      at += 1;
      continue;
    }
    const read = readers.find((reader) => reader.begins(lines, at, depth));
    const { block, next } = read.take(lines, at, depth);
    block.source = lines.slice(at, next).join("\n");
    blocks.push(block);
    at = next;
  }
  return blocks;
}

const readers = [
  { begins: (lines, at) => kFence.test(lines[at]), take: takeCode },
  {
    begins: (lines, at) => kHeading.test(lines[at]),
    take(lines, at) {
      const [, signs, text] = lines[at].match(kHeading);
      return { block: { type: "heading", level: signs.length, text: text ?? "" }, next: at + 1 };
    },
  },
  {
    begins: (lines, at) => kRule.test(lines[at]),
    take: (lines, at) => ({ block: { type: "rule" }, next: at + 1 }),
  },
  { begins: (lines, at, depth) => depth < kDeepest && kQuote.test(lines[at]), take: takeQuote },
  { begins: (lines, at, depth) => depth < kDeepest && kItem.test(lines[at]), take: takeList },
  { begins: beginsTable, take: takeTable },
  { begins: () => true, take: takeParagraph },
];

// What ends a paragraph without an empty line.
function interrupts(lines, at) {
  const line = lines[at];
  if (kFence.test(line) || kHeading.test(line) || kRule.test(line) || kQuote.test(line)) return true;
  const item = line.match(kItem);
  return (item !== null && item[4] !== "" && /^([-*+]|1[.)])$/.test(item[2])) || beginsTable(lines, at);
}

function takeParagraph(lines, at) {
  let next = at + 1;
  while (next < lines.length && lines[next].trim() && !interrupts(lines, next)) next += 1;
  const text = lines.slice(at, next).map((line) => line.trim()).join("\n");
  return { block: { type: "paragraph", text }, next };
}

function takeCode(lines, at) {
  const [, fence, info] = lines[at].match(kFence);
  const indent = lines[at].search(/\S/);
  const isEnd = (line) => {
    const sign = line.trim();
    return sign.length >= fence.length && line.search(/\S/) < 4 && sign === fence[0].repeat(sign.length);
  };
  let next = at + 1;
  while (next < lines.length && !isEnd(lines[next])) next += 1;
  const unindented = (line) => line.slice(Math.min(indent, Math.max(0, line.search(/\S|$/))));
  const text = lines.slice(at + 1, next).map(unindented).join("\n");
  const language = info.trim().split(/\s/)[0] ?? "";
  return { block: { type: "code", language, text }, next: Math.min(next + 1, lines.length) };
}

function takeQuote(lines, at, depth) {
  const inner = [];
  let next = at;
  for (; next < lines.length; next += 1) {
    const quoted = lines[next].match(kQuote);
    // A line that goes on with the paragraph of the quote needs no sign of its own.
    if (!quoted && (!lines[next].trim() || interrupts(lines, next))) break;
    inner.push(quoted ? quoted[1] : lines[next]);
  }
  return { block: { type: "quote", blocks: blocksOf(inner, depth + 1) }, next };
}

function takeList(lines, at, depth) {
  const first = lines[at].match(kItem);
  const ordered = /\d/.test(first[2]);
  const sign = ordered ? first[2].at(-1) : first[2];
  const items = [];
  let tight = true, next = at;
  while (next < lines.length) {
    const item = lines[next].match(kItem);
    if (!item || kRule.test(lines[next]) || !item[2].endsWith(sign) || /\d/.test(item[2]) !== ordered) break;
    const blanks = item[3].length > 4 || item[4] === "" ? 1 : item[3].length;
    const indent = item[1].length + item[2].length + blanks;
    const inner = [lines[next].slice(Math.min(indent, lines[next].length))];
    next += 1;
    for (; next < lines.length; next += 1) {
      const line = lines[next], depthOf = line.search(/\S/);
      if (depthOf < 0) {
        // An empty line belongs to the item if the item goes on behind it.
        let after = next + 1;
        while (after < lines.length && !lines[after].trim()) after += 1;
        if (after >= lines.length || lines[after].search(/\S/) < indent) break;
        tight = false;
        inner.push("");
      } else if (depthOf >= indent) {
        inner.push(line.slice(indent));
      } else if (kItem.test(line) || interrupts(lines, next) || inner.at(-1) === "") {
        break;
      } else {
        inner.push(line.trim());
      }
    }
    items.push(blocksOf(inner, depth + 1));
    let after = next;
    while (after < lines.length && !lines[after].trim()) after += 1;
    const follows = after < lines.length && kItem.test(lines[after]) && after > next;
    if (follows) {
      const other = lines[after].match(kItem);
      if (!other[2].endsWith(sign) || /\d/.test(other[2]) !== ordered) break;
      tight = false;
      next = after;
    }
  }
  return { block: { type: "list", ordered, start: ordered ? parseInt(first[2], 10) : 1, tight, items }, next };
}

function beginsTable(lines, at) {
  return lines[at].includes("|") && at + 1 < lines.length && lines[at + 1].includes("-") &&
    kDivider.test(lines[at + 1]) && cellsOf(lines[at]).length === cellsOf(lines[at + 1]).length;
}

function takeTable(lines, at) {
  const head = cellsOf(lines[at]);
  const aligns = cellsOf(lines[at + 1]).map((cell) =>
    cell.endsWith(":") ? (cell.startsWith(":") ? "center" : "right") : "left");
  const rows = [];
  let next = at + 2;
  for (; next < lines.length && lines[next].includes("|"); next += 1) {
    const cells = cellsOf(lines[next]);
    rows.push(head.map((_, column) => cells[column] ?? ""));
  }
  return { block: { type: "table", aligns, head, rows }, next };
}

// Cells between bars; a bar behind a backslash or in a piece of code is text.
function cellsOf(line) {
  const cells = [];
  let cell = "", inCode = false;
  const text = line.trim().replace(/^\|/, "");
  for (let i = 0; i < text.length; i += 1) {
    if (text[i] === "\\" && text[i + 1] === "|") {
      cell += "|";
      i += 1;
    } else if (text[i] === "|" && !inCode) {
      cells.push(cell.trim());
      cell = "";
    } else {
      if (text[i] === "`") inCode = !inCode;
      cell += text[i];
    }
  }
  if (cell.trim()) cells.push(cell.trim());
  return cells;
}
